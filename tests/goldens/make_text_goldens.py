# SPDX-License-Identifier: GPL-3.0-or-later
#
# Adds the text encoders to tests/goldens/nn: what transformers and diffusers compute on tiny ones whose
# parameters are all random. Run by hand:
#   PYTHONPATH=refs python3 tests/goldens/make_text_goldens.py
#   (torch 2.15.0, transformers 5.23.0, diffusers 0.42.1)

import json

import torch
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from make_nn_goldens import OUT, randomise


def save(name, model, drop, tensors):
    weights = {}
    for key, value in model.state_dict().items():
        key = key.removeprefix("text_model.")
        if not key.startswith(drop):
            weights[key] = value.half().contiguous()
    data = {f"weight/{k}": v for k, v in weights.items()} | {f"data/{k}": v.contiguous() for k, v in tensors.items()}
    config = model.config.to_dict()
    save_file(data, OUT / f"{name}.safetensors",
              {"config": json.dumps(config, default=str), "parameters": str(sum(v.numel() for v in weights.values()))})


def ids(generator, vocabulary):
    return {"ids": torch.randint(vocabulary, (2, 77), generator=generator),
            "short_ids": torch.randint(vocabulary, (3, 5), generator=generator)}


def clip(activation, generator):
    config = CLIPTextConfig(vocab_size=97, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
                            num_attention_heads=4, hidden_act=activation, eos_token_id=96,
                            bos_token_id=95, pad_token_id=96, attn_implementation="eager")
    model = randomise(CLIPTextModel(config), generator)
    data = ids(generator, 97)
    norm = dict(model.named_modules()).get("text_model", model).final_layer_norm
    out = model(data["ids"], output_hidden_states=True)
    data |= {"out": out.last_hidden_state, "skipped_out": norm(out.hidden_states[-2]),
             "short_out": model(data["short_ids"]).last_hidden_state}
    save(f"clip_{activation}", model, ("embeddings.position_ids",), data)


def ldm_bert(generator):
    config = LDMBertConfig(vocab_size=97, d_model=24, encoder_layers=3, encoder_ffn_dim=40,
                           encoder_attention_heads=2, head_dim=32, max_position_embeddings=77)
    model = randomise(LDMBertModel(config), generator)
    data = ids(generator, 97)
    data |= {"out": model(data["ids"])[0], "short_out": model(data["short_ids"])[0]}
    save("ldm_bert", model, ("to_logits",), data)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    generator = torch.Generator().manual_seed(22)
    for activation in ("quick_gelu", "gelu"):
        clip(activation, generator)
    ldm_bert(generator)
