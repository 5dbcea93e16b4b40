# SPDX-License-Identifier: GPL-3.0-or-later
#
# CompVis's names and rows -> diffusers', by looking at names; engine/keymap counts modules instead.

import re

RESNET = {"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
          "out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut"}


def qkv_rows(weight, heads):
    """[3C, ...] in the order [H, 3, C/H] -> three of [C, ...]; 1x1 convolutions become linear."""
    rows = weight.shape[0]
    by_head = weight.reshape(heads, 3, rows // (3 * heads), *weight.shape[1:])
    parts = [by_head[:, third].reshape(rows // 3, *weight.shape[1:]) for third in range(3)]
    return [part[..., 0] if part.ndim == 3 else part for part in parts]


def unet_rules(state, layers, heads_of_width):
    out = {}
    for key, value in state.items():
        parts = key.split(".")
        kind = parts[-1]
        if parts[0] == "time_embed":
            out[f"time_embedding.linear_{int(parts[1]) // 2 + 1}.{kind}"] = value
        elif parts[0] == "label_emb":
            out["class_embedding.weight"] = value
        elif parts[0] == "out":
            out[("conv_norm_out." if parts[1] == "0" else "conv_out.") + kind] = value
        elif key.startswith("input_blocks.0."):
            out["conv_in." + kind] = value
        else:
            if parts[0] == "middle_block":
                number, inner = int(parts[1]), parts[2:]
                place = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")[number]
            else:
                is_down = parts[0] == "input_blocks"
                block, layer = divmod(int(parts[1]) - (1 if is_down else 0), layers + 1)
                inner = parts[3:]
                side = f"{'down' if is_down else 'up'}_blocks.{block}."
                is_resnet = ".".join(inner[:-1]) in RESNET
                if inner[0] == "op":
                    place, inner = side + "downsamplers.0", ["conv", kind]
                elif inner[0] == "conv":
                    place = side + "upsamplers.0"
                elif parts[2] == "0" and is_down and layer == layers:
                    place = side + "downsamplers.0"
                elif parts[2] == "0":
                    place = side + f"resnets.{layer}"
                else:
                    place = side + ("upsamplers.0" if is_resnet else f"attentions.{layer}")
            name = ".".join(inner[:-1])
            if inner[0] == "qkv":
                for to, part in zip("qkv", qkv_rows(value, heads_of_width(value.shape[0] // 3))):
                    out[f"{place}.to_{to}.{kind}"] = part
            elif inner[0] == "proj_out" and value.ndim in (1, 3) and f"{key.rsplit('.', 2)[0]}.qkv.weight" in state:
                out[f"{place}.to_out.0.{kind}"] = value[..., 0] if value.ndim == 3 else value
            elif inner[0] == "norm" and f"{key.rsplit('.', 2)[0]}.qkv.weight" in state:
                out[f"{place}.group_norm.{kind}"] = value
            else:
                out[f"{place}.{RESNET.get(name, name)}.{kind}"] = value
    return out


def autoencoder_rules(state, levels):
    out = {}
    for key, value in state.items():
        def up(match):
            return f"up_blocks.{levels - 1 - int(match[1])}."
        new = re.sub(r"\bup\.(\d+)\.", up, key)
        new = re.sub(r"\bdown\.(\d+)\.", r"down_blocks.\1.", new)
        new = re.sub(r"\bmid\.block_(\d)", lambda match: f"mid_block.resnets.{int(match[1]) - 1}", new)
        new = re.sub(r"\bmid\.attn_1\b", "mid_block.attentions.0", new)
        new = re.sub(r"\.block\.", ".resnets.", new)
        new = re.sub(r"\.attn\.", ".attentions.", new)
        new = new.replace(".upsample.", ".upsamplers.0.").replace(".downsample.", ".downsamplers.0.")
        new = new.replace("nin_shortcut", "conv_shortcut").replace(".norm_out.", ".conv_norm_out.")
        if ".attentions." in new:
            new = re.sub(r"\.norm\.", ".group_norm.", new)
            new = re.sub(r"\.([qkv])\.", r".to_\1.", new)
            new = new.replace(".proj_out.", ".to_out.0.")
            value = value[:, :, 0, 0] if value.ndim == 4 else value
        out[new] = value
    return out


def open_clip_rules(state):
    out = {"embeddings.token_embedding.weight": state["token_embedding.weight"],
           "embeddings.position_embedding.weight": state["positional_embedding"]}
    for key, value in state.items():
        match = re.match(r"transformer\.resblocks\.(\d+)\.(.*)", key)
        if key.startswith("ln_final."):
            out[key.replace("ln_final", "final_layer_norm")] = value
        elif match:
            layer, inner = f"encoder.layers.{match[1]}.", match[2]
            if inner.startswith("attn.in_proj_"):
                width = value.shape[0] // 3
                for i, to in enumerate("qkv"):
                    out[f"{layer}self_attn.{to}_proj.{inner[13:]}"] = value[i * width:(i + 1) * width]
            else:
                for old, new in (("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"),
                                 ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                    inner = inner.replace(old, new)
                out[layer + inner] = value
    return out


def ldm_bert_rules(state):
    out = {}
    for key, value in state.items():
        match = re.match(r"attn_layers\.layers\.(\d+)\.(.*)", key)
        if match:
            layer, inner = f"model.layers.{int(match[1]) // 2}.", match[2]
            if int(match[1]) % 2 == 0:
                inner = re.sub(r"^0\.", "self_attn_layer_norm.", inner)
                inner = re.sub(r"^1\.to_out\.", "self_attn.out_proj.", inner)
                inner = re.sub(r"^1\.to_([qkv])\.", r"self_attn.\1_proj.", inner)
            else:
                inner = inner.replace("1.net.0.0.", "fc1.").replace("1.net.2.", "fc2.")
                inner = re.sub(r"^0\.", "final_layer_norm.", inner)
            out[layer + inner] = value
        else:
            for old, new in (("token_emb.", "model.embed_tokens."), ("pos_emb.emb.", "model.embed_positions."),
                             ("norm.", "model.layer_norm.")):
                key = re.sub("^" + re.escape(old), new, key)
            out[key] = value
    return out


def taesd_rules(state, half):
    shift = 1 if half == "decoder" else 0
    return {f"{half}.layers.{int(key.split('.')[0]) - shift}.{key.split('.', 1)[1]}": value
            for key, value in state.items()}
