# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes tests/goldens/text: what the tokenizers of Hugging Face (the fast ones, in Rust) make of a few
# thousand strings and of every code point of Unicode 15.0. Run by hand:
#   pip install --target FOLDER transformers==5.23.0 tokenizers==0.23.3 unicodedata2==15.0.0
#   PYTHONPATH=FOLDER python tests/goldens/make_tokenizer_goldens.py
#
# Ids are kept in full for the first strings; for the others, and for code points, a hash of the ids
# of every few says where a failure is.

import hashlib
import json
import pathlib
import random
import tempfile

import tokenizers
import transformers
import unicodedata2
from transformers import BertTokenizer, CLIPTokenizer

assert (transformers.__version__, tokenizers.__version__) == ("5.23.0", "0.23.3")
assert unicodedata2.unidata_version == "15.0.0"  # of ICU 72, which Debian 12 has

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "tests/goldens/text"
VOCABULARIES = ROOT / "resources/vocabularies"
IN_FULL = 300  # strings whose ids are kept
GROUP = 8      # strings to a hash
BLOCK = 256    # code points to a hash
# Alone, and between two marks of which the second belongs before the first.
POINT_TEXT = "? a\u0301?\u0334b"
START, END = "<|startoftext|>", "<|endoftext|>"


def clip_tokenizers():
    """The three ways in which a CLIP tokenizer comes: merges alone, folder of SD 1, folder of SD 2."""
    lines = (VOCABULARIES / "clip_bpe_16e6.txt").read_text(encoding="utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:48895]]
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in own] + [chr(256 + i) for i in range(256 - len(own))]
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + [START, END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    assert len(vocabulary) == 49408

    def folder(pad):
        def special(text):
            return dict(content=text, lstrip=False, normalized=True, rstrip=False, single_word=False)
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name)
            (path / "vocab.json").write_text(json.dumps(vocabulary))
            (path / "merges.txt").write_text(
                "#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n", encoding="utf-8")
            (path / "special_tokens_map.json").write_text(json.dumps(dict(
                bos_token=special(START), eos_token=special(END), unk_token=special(END),
                pad_token=pad)))
            (path / "tokenizer_config.json").write_text(json.dumps(dict(
                model_max_length=77, pad_token=END, tokenizer_class="CLIPTokenizer")))
            return CLIPTokenizer.from_pretrained(str(path))

    alone = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    return dict(clip=alone, clip_sd1=folder(END), clip_sd2=folder("!")), tokens


BY_HAND = [
    "", " ", "\n", "hello", "a photo of an astronaut riding a horse on mars",
    "A Painting of a Squirrel eating a burger", "don't  stop\n\tbelieving!!!", "! !! !!!", "hello!",
    "café naïve — 東京 🎨", "Café naïve — 東京 🎨", "1234 3.14 50%", "<|endoftext|> hi", "it's I'LL we've",
    "ﬁne ½ İstanbul Straße", "\u00a0nbsp\u200bzwsp &amp; &lt;b&gt;", "e\u0301 combining",
    "a_b-c/d (x:1.2) [y]", "日本語 ไทย हिन्दी 한국어", "A B\u3000C\x1c\u2028D",
    "unaffable antidisestablishmentarianism", "[MASK] [CLS] hi", "x" * 99, "x" * 100, "x" * 101, "x" * 300,
    "ab" * 200, "é" * 100, "e\u0301" * 101, "한" * 34, "$+^`|~ <=>", "a " * 100, "Привет, МИР! ñandú ÅÄÖ",
    "ΟΔΥΣΣΕΥΣ Σ σς", "\u1e9e ǅ ǈ Ǳ", "ﬀ ﬃ ﬅ", "Å Å Ω Ω", "i\u0307 I\u0307 İ ı", "\u0344 \u0308\u0301",
    "a\u0323\u0307 a\u0307\u0323 ậ ậ", "\u0301\u0301x", "x\u0315\u0300\u05ae\u0301b", "각 각 ᄀ ᅡ ᆨ",
    "\u0958 \u0915\u093c", "\u2adc \u2add\u0338", "\U0001d15e \U0001d1bc", "\u0f73 \u0f71\u0f72",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪 1️⃣ ❤️", "<|startoftext|>", "<|startoftext|><|endoftext|>", "<|ENDOFTEXT|>", "a<|StartOfText|>b",
    "((<|endoftext|>))", "((<|EndOfText|>))", "<|endoftext|>'s", "<|ENDOFTEXT|>!!", "<|endoftext|", "|endoftext|>",
    "<|end\u00adoftext|>", "<|endoftext|><|endoftext|>\u0301", "!\u0301", "a!\u0301", "e!\u0301!", "!!!!!!!!", "'!'",
    "[SEP]", "[sep]", "[PAD][UNK]", "[[CLS]]", "[UNK]x", "x[MASK]y", "[MASK]\u0301", "##ing", "## ing", "#",
    "'s", "''s", "'''s", "'S 'T 'RE 'VE 'M 'LL 'D", "'re're", "x'sy", "'ss", "rock'n'roll", "’s don’t", "'\u017f",
    "\ufeffbom", "\x00", "a\x00b", "a\x01b\x7fc\x9fd", "a\tb\rc\x0bd\x0ce\x85f", "a\u1680b\u180ec\u2000d\u2009e",
    "a\u202fb\u205fc\u2029d", "\ufffd", "a\ufffdb", "\ue000 \U0010fffd", "\U000e0041\U000e007f", "soft\u00adhyphen",
    "x\u200dy\u200cz", "\u202eabc\u202c", "²³¹ ½ Ⅷ ① ௧ 〇 𝟘", "1,000.00 1st 2nd 3x", "３ｘ ＡＢＣ！", "e.g., i.e. U.S.A.",
    "http://example.org/a?b=c&d=e#f", "foo@example.org", "C:\\dir\\file.txt", "--- ... !?!? *** ###", "…“”‘’–—",
    "٠١٢ عربي", "שָׁלוֹם", "กำ ำ", "ကို", "ಕೋ ೋ", "𐐀𐐨 𞤀𞤢", "Ꭰꭰ ᲐᲑ აბ", "Ⓐⓐ ⅷ", "䶵 㐀 鿿 𠀀 𪛟 𫜸 𫠝 豈 丽",
    "ー々〆〱", "ｶﾞ ガ カ\u3099", "a" + "\u0301" * 50, "a" + "\u0301\u0323" * 40, "\u0301" * 120, "." * 120, "!" * 80,
    "\U00011935\U00011930 \U00011938", "(masterpiece, best quality:1.2), 1girl, [ugly]", "trending on artstation, 8k, hdr", "a cat\u2028a dog",
]
WORDS = """a an the of on in at with and photo painting portrait landscape cat dog horse astronaut city forest
 mountain river castle dragon robot girl man woman child chest x-ray scan cell microscope lesion digit letter seven
 zero red green blue golden dark bright vivid oil watercolor pencil sketch digital art artstation trending detailed
 intricate cinematic lighting 8k 4k uhd hdr unreal engine octane render style greg rutkowski beautiful masterpiece
 quality blurry low high resolution closeup wide angle 35mm f/1.8 bokeh sunset night morning rain snow fog antique
 supercalifragilisticexpialidocious electroencephalogram don't it's they're we've i'm she'll he'd Müller façade
 naïve Zürich smörgåsbord jalapeño œuvre Łódź kočka ψυχή Москва собака 東京 犬 고양이 قطة חתול แมว बिल्ली""".split()
ENDS = [",", ".", "!", "!!", "?", ";", ":", "...", " -", ")", "'s", "\n", "  ", "/", "&", "%", " |", "…", "。", "、"]
SCRIPTS = [(0x20, 0x7E), (0xA0, 0x17F), (0x180, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58A),
           (0x5B0, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0xB80, 0xBFF), (0xE01, 0xE5B), (0xF00, 0xFDA),
           (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFE), (0x2000, 0x206F),
           (0x20A0, 0x214F), (0x2190, 0x27BF), (0x3000, 0x30FF), (0x3400, 0x3500), (0x4E00, 0x9FFF),
           (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFB00, 0xFB4F), (0xFE20, 0xFFEE), (0x10400, 0x104FF),
           (0x11000, 0x1124F), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x20100), (0x2F800, 0x2FA1D)]
BLANKS = list(" \t\n\r\x0b\x0c\x85\u00a0\u1680\u2000\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u3000\ufeff")
SPECIALS = [START, END, "!", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", START.upper(), "<|EndOfText|>", "[cls]",
            "<|endoftext|", "##", "'s", "'ll", "</w>"]


def is_assigned(point):
    return unicodedata2.category(chr(point)) not in ("Cn", "Cs")


def random_strings(tokens, bert_tokens):
    rng = random.Random(20250)
    marks = [chr(p) for p in range(0x300, 0x20000) if is_assigned(p) and unicodedata2.combining(chr(p))]
    scripts = [[chr(p) for p in range(a, b + 1) if is_assigned(p)] for a, b in SCRIPTS]
    controls = [chr(p) for p in range(0xA0) if unicodedata2.category(chr(p)) == "Cc"]
    printable = [chr(p) for p in range(32, 127)]

    def prompt():
        words = []
        for _ in range(rng.randint(2, 6)):
            word = rng.choice(WORDS)
            word = rng.choice([word, word, word, word.upper(), word.capitalize()])
            words.append(word + (rng.choice(ENDS) if rng.random() < 0.3 else ""))
        return " ".join(words)

    def script():
        first, second = rng.choice(scripts), rng.choice(scripts)
        return "".join(rng.choice(rng.choice([first, first, second, BLANKS[:3]]))
                       for _ in range(rng.randint(2, 9)))

    def marked():
        return "".join(rng.choice(rng.choice([marks, marks, scripts[1], scripts[15], scripts[8]]))
                       for _ in range(rng.randint(2, 6)))

    def joined():
        known = [rng.choice(rng.choice([tokens, bert_tokens])) for _ in range(rng.randint(1, 3))]
        return "".join(known).replace("</w>", " ")

    def special():
        other = [*SPECIALS, *SPECIALS, "a", "Z", "\u0301", " ", "(", "7", "'"]
        return "".join(rng.choice(other) for _ in range(rng.randint(2, 5)))

    def odd():
        return "".join(rng.choice(rng.choice([controls, BLANKS, printable, marks])) for _ in range(rng.randint(2, 8)))

    def ascii_run():
        return "".join(rng.choice(printable) for _ in range(rng.randint(2, 14)))

    def long_word():
        letters = rng.choice(["abcdefghij", "éèüa", "xyz'", "犬a", "~!#"])
        return "".join(rng.choice(letters) for _ in range(rng.choice([50, 99, 100, 101, 102])))

    kinds = [(prompt, 1000), (script, 1700), (marked, 600), (joined, 600), (special, 400), (odd, 400),
             (ascii_run, 400), (long_word, 30)]
    made = [kind() for kind, count in kinds for _ in range(count)]
    rng.shuffle(made)
    return made


def ids_of(tokenizer, texts):
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def digest(lists):
    return hashlib.sha256("\n".join(" ".join(map(str, ids)) for ids in lists).encode()).hexdigest()[:8]


def encoding(tokenizer, text):
    """What a model takes, how many ids are left out, and the byte of the text where they begin."""
    padded = tokenizer(text, padding="max_length", max_length=77, truncation=True)["input_ids"]
    whole = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    dropped = max(0, len(whole["input_ids"]) - 75)
    cut = len(text[:whole["offset_mapping"][75][0]].encode()) if dropped else len(text.encode())
    return dict(ids=padded, dropped=dropped, cut_at=cut)


def write(name, document):
    """One member of each list to a line, so that versions can be compared."""
    def lines(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = ""
    for key, value in document.items():
        if isinstance(value, list):
            body = "[\n" + ",\n".join(map(lines, value)) + "]"
        elif isinstance(value, dict):
            body = "{\n" + ",\n".join(f"{lines(k)}:{lines(v)}" for k, v in value.items()) + "}"
        else:
            body = lines(value)
        text += ("{" if not text else ",\n") + lines(key) + ":" + body
    (OUT / name).write_text(text + "}\n", encoding="utf-8")


def main():
    flavours, tokens = clip_tokenizers()
    flavours["bert"] = BertTokenizer(str(VOCABULARIES / "bert_base_uncased_vocab.txt"), model_max_length=77)
    bert_tokens = [t.removeprefix("##") for t in flavours["bert"].get_vocab()]
    texts = list(dict.fromkeys(BY_HAND + random_strings(tokens[:-2], sorted(bert_tokens))))
    assert len(texts) >= 5000, len(texts)
    OUT.mkdir(exist_ok=True)

    strings = dict(group=GROUP, texts=texts)
    for name, tokenizer in flavours.items():
        ids = ids_of(tokenizer, texts)
        strings[name + "_ids"] = ids[:IN_FULL]
        strings[name + "_hashes"] = {str(i): digest(ids[i:i + GROUP]) for i in range(0, len(ids), GROUP)}
    long_texts = ["a photo of a cat!", "a " * 100, "é, " * 60, "東京! " * 40, "x" * 101 + " y" * 90]
    strings["long_texts"] = long_texts
    for name, tokenizer in flavours.items():
        strings[name + "_long"] = [encoding(tokenizer, text) for text in long_texts]
    write("strings.json", strings)

    assigned = [p for p in range(0x110000) if is_assigned(p)]
    ranges = []
    for point in assigned:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    points = dict(block=BLOCK, assigned=ranges)
    for name in ("clip", "bert"):
        ids = ids_of(flavours[name], [POINT_TEXT.replace("?", chr(p)) for p in assigned])
        blocks = {}
        for point, found in zip(assigned, ids):
            blocks.setdefault(point // BLOCK, []).append(found)
        points[name] = {f"{block * BLOCK:X}": digest(lists) for block, lists in blocks.items()}
    write("code_points.json", points)


if __name__ == "__main__":
    main()
