# SPDX-License-Identifier: GPL-3.0-or-later
"""From diffusers' and transformers' names and shapes to those of the original single files."""

import torch

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET_HEAD = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0",
             "time_embedding.linear_2": "time_embed.2", "conv_norm_out": "out.0", "conv_out": "out.2"}


def unet_name(name, layers, attentive):
    """`attentive`: which up blocks have attention."""
    for theirs, original in UNET_HEAD.items():
        if name.startswith(theirs + "."):
            return original + name[len(theirs):]
    part = name.split(".")
    if part[0] == "mid_block":
        place = {("resnets", "0"): 0, ("attentions", "0"): 1, ("resnets", "1"): 2}[part[1], part[2]]
        stem, kind, rest = f"middle_block.{place}", part[1], part[3:]
    else:
        block, kind, index, rest = int(part[1]), part[2], int(part[3]), part[4:]
        first = block * (layers + 1)
        if part[0] == "down_blocks":
            place = 1 + first + (layers if kind == "downsamplers" else index)
            stem = f"input_blocks.{place}.{1 if kind == 'attentions' else 0}"
        else:
            place = first + (layers if kind == "upsamplers" else index)
            inner = {"resnets": 0, "attentions": 1, "upsamplers": 2 if attentive[block] else 1}[kind]
            stem = f"output_blocks.{place}.{inner}"
    if kind == "attentions":
        return ".".join([stem] + rest)
    if kind == "downsamplers" and rest[0] == "conv":
        return ".".join([stem, "op"] + rest[1:])
    if kind == "upsamplers" and rest[0] == "conv":
        return ".".join([stem, "conv"] + rest[1:])
    return ".".join([stem, RESNET[rest[0]]] + rest[1:])


def fuse_attention(state, head_dim):
    """q, k and v of UNet2DModel become one 1x1 convolution, heads outermost: [heads, 3, head_dim]."""
    out = {}
    for name, value in state.items():
        if ".attentions." not in name:
            out[name] = value
        elif ".to_q." in name:
            parts = [state[name.replace(".to_q.", f".to_{letter}.")] for letter in "qkv"]
            heads = value.shape[0] // head_dim
            rows = torch.stack([p.reshape(heads, head_dim, *p.shape[1:]) for p in parts], 1)
            rows = rows.reshape(3 * value.shape[0], *value.shape[1:])
            out[name.replace(".to_q.", ".qkv.")] = rows[..., None] if rows.dim() == 2 else rows
        elif ".to_out.0." in name:
            out[name.replace(".to_out.0.", ".proj_out.")] = value[..., None] if value.dim() == 2 else value
        elif ".group_norm." in name:
            out[name.replace(".group_norm.", ".norm.")] = value
    return out


def unet(state, config):
    if "cross_attention_dim" not in config:
        state = fuse_attention(state, config["attention_head_dim"])
    attentive = ["Attn" in kind for kind in config["up_block_types"]]
    return {unet_name(name, config["layers_per_block"], attentive): value for name, value in state.items()}


COARSE = {"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "resnets": "block", "attentions": "attn",
          "downsamplers": "downsample", "upsamplers": "upsample"}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}


def autoencoder(state, config):
    levels, out = len(config["block_out_channels"]), {}
    for name, value in state.items():
        part = name.split(".")
        if part[0] not in ("encoder", "decoder"):
            out[name] = value
            continue
        side, rest, is_attention = part[0], part[1:], "attentions" in part
        stem = [side]
        if rest[0] == "mid_block":
            stem += ["mid", f"block_{int(rest[2]) + 1}" if rest[1] == "resnets" else "attn_1"]
            rest = rest[3:]
        elif rest[0] in ("down_blocks", "up_blocks"):
            level = int(rest[1])
            stem += ["down", str(level)] if side == "encoder" else ["up", str(levels - 1 - level)]
            stem += [COARSE[rest[2]]] + ([rest[3]] if "samplers" not in rest[2] else [])
            rest = rest[4:]
        if is_attention:
            rest = [ATTENTION[rest[0]]] + rest[-1:]
            value = value[..., None, None] if value.dim() == 2 else value
        out[".".join(stem + [COARSE.get(r, r) for r in rest])] = value
    return out


def bare(name):
    return name.removeprefix("text_model.")


def clip(state):
    """Transformers' own names, as they were when the files were made."""
    out = {"text_model." + bare(name): value for name, value in state.items()}
    out["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    return {f"transformer.{name}": value for name, value in out.items()}


OPEN_CLIP = {"embeddings.token_embedding.weight": "token_embedding.weight",
             "embeddings.position_embedding.weight": "positional_embedding",
             "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias"}
OPEN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
                   "self_attn.out_proj": "attn.out_proj"}


def open_clip(state, leftover):
    """`leftover(name, shape)` fills what the files carry and nothing uses: a last block, a projection."""
    state, out, layers = {bare(name): value for name, value in state.items()}, {}, 0
    for name, value in state.items():
        if name in OPEN_CLIP:
            out[OPEN_CLIP[name]] = value
            continue
        _, _, layer, *rest = name.split(".")
        layers, middle, last = max(layers, int(layer) + 1), ".".join(rest[:-1]), rest[-1]
        stem = f"transformer.resblocks.{layer}"
        if middle == "self_attn.q_proj":
            rows = [state[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            out[f"{stem}.attn.in_proj_{last}"] = torch.cat(rows)
        elif middle in OPEN_CLIP_LAYER:
            out[f"{stem}.{OPEN_CLIP_LAYER[middle]}.{last}"] = value
    first = "transformer.resblocks.0."
    for name in [n for n in out if n.startswith(first)]:
        out[f"transformer.resblocks.{layers}.{name[len(first):]}"] = leftover(name, out[name].shape)
    width = out["token_embedding.weight"].shape[1]
    out["text_projection"] = leftover("text_projection", (width, width))
    out["logit_scale"] = leftover("logit_scale", (1,))[0]
    out["attn_mask"] = torch.full((77, 77), float("-inf")).triu(1)
    return {f"model.{name}": value for name, value in out.items()}


def bert(state):
    out = {}
    for name, value in state.items():
        part = name.removeprefix("model.").split(".")
        if part[0] == "layers":
            attention, stem = 2 * int(part[1]), "attn_layers.layers"
            place = {"self_attn_layer_norm": f"{attention}.0", "self_attn": f"{attention}.1",
                     "final_layer_norm": f"{attention + 1}.0", "fc1": f"{attention + 1}.1.net.0.0",
                     "fc2": f"{attention + 1}.1.net.2"}[part[2]]
            inner = [{"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}[part[3]]
                     ] if part[2] == "self_attn" else []
            out[".".join([stem, place] + inner + part[-1:])] = value
        else:
            head = {"embed_tokens": "token_emb", "embed_positions": "pos_emb.emb", "layer_norm": "norm",
                    "to_logits": "to_logits"}[part[0]]
            out[f"{head}.{part[-1]}"] = value
    return {f"transformer.{name}": value for name, value in out.items()}


def ema_name(name):
    """`name` within the whole file, starting with model."""
    return "model_ema." + name.removeprefix("model.").replace(".", "")
