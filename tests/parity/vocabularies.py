# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokenizer folders of published checkpoints, from the vocabularies in resources/vocabularies."""

import json
import pathlib
import shutil

VOCABULARIES = pathlib.Path(__file__).resolve().parents[2] / "resources/vocabularies"


def byte_characters():
    """CLIP's 256 symbols in the order of their ids: printable bytes first, the rest moved up."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(moved))]


def write_clip(folder, pad):
    lines = (VOCABULARIES / "clip_bpe_16e6.txt").read_text(encoding="utf-8").split("\n")
    merges = lines[1:48895]
    symbols = byte_characters()
    words = symbols + [s + "</w>" for s in symbols] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    assert len(words) == len(set(words)) == 49408
    vocabulary = json.dumps({word: number for number, word in enumerate(words)}, ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + merges) + "\n", encoding="utf-8")
    marked = {key: dict(content=text, lstrip=False, normalized=True, rstrip=False, single_word=False)
              for key, text in (("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"),
                                ("unk_token", "<|endoftext|>"))}
    write_json(folder / "special_tokens_map.json", marked | {"pad_token": pad})
    write_json(folder / "tokenizer_config.json",
               {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": 77,
                "pad_token": "<|endoftext|>", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                "unk_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"})


def write_bert(folder):
    shutil.copyfile(VOCABULARIES / "bert_base_uncased_vocab.txt", folder / "vocab.txt")
    special = {"cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]",
               "unk_token": "[UNK]"}
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json",
               special | {"do_lower_case": True, "model_max_length": 512, "strip_accents": None,
                          "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer"})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write(kind, folder):
    folder.mkdir(parents=True)
    if kind == "bert":
        write_bert(folder)
    else:
        write_clip(folder, "!" if kind == "clip2" else "<|endoftext|>")
