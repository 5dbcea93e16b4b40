# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes tests/goldens/keymap: names and shapes of models as CompVis's own code has them and as
# diffusers and transformers have them. Of tiny twins CompVis's tensors in full; else counts and a
# SHA-256 of the sorted lines "name size,size,...". The twins' weights are random and both sides must
# compute the same: the weights go over by rules.py, which is written apart from engine/keymap.
# Run by hand:
#   python tests/goldens/make_keymap_goldens.py LATENT_DIFFUSION STABLEDIFFUSION DP_LDM
# with checkouts of CompVis/latent-diffusion, Stability-AI/stablediffusion and ParkLabML/DP-LDM
# (torch 2.15, diffusers 0.42, transformers 5.23, einops, pyyaml)

import json
import pathlib
import sys

OUT = pathlib.Path(__file__).parent / "keymap"
sys.path.insert(0, str(OUT))

import torch  # noqa: E402
from compvis_models import (DP, LDM, SD2, OpenClip, autoencoder_of, ldm_bert_of, taesd_decoder,  # noqa: E402
                            taesd_encoder, unet_of)
from diffusers import AutoencoderTiny  # noqa: E402
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel  # noqa: E402
from diffusers_models import (clip_config, count_of, diffusers_autoencoder, diffusers_unet, lines_of,  # noqa: E402
                              parameters_of, typed)
from published import families, family_golden, taesd_family  # noqa: E402
from rules import autoencoder_rules, ldm_bert_rules, open_clip_rules, taesd_rules, unet_rules  # noqa: E402
from torch import nn  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

TOLERANCE = 1e-5


def randomise(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if value.ndim > 1:
            value.data = noise / max(1.0, value[0].numel()) ** 0.5
        else:
            value.data = 0.05 * noise if name.endswith("bias") else 1 + 0.1 * noise
    return module.eval()


def must_agree(what, theirs, ours):
    scale = max(1.0, theirs.abs().max().item())
    difference = (theirs - ours).abs().max().item()
    print(f"{what}: |y| {theirs.abs().max().item():.2f}, difference {difference:.1e}")
    assert theirs.shape == ours.shape and difference <= TOLERANCE * scale, what
    assert theirs.std().item() > 1e-2, what + " says nothing"


def load(module, state, what):
    wanted = {name for name, _ in module.state_dict().items() if not name.endswith("position_ids")}
    assert wanted == set(state), (what, sorted(wanted ^ set(state))[:5])
    module.load_state_dict(state, strict=False)
    return module.eval()


UNETS = {
    # name: (checkout, UNetModel's arguments, options for Velamen, diffusers' config)
    "cond_conv": (LDM, dict(in_channels=4, out_channels=4, attention_resolutions=[1], num_res_blocks=1,
                            channel_mult=[1, 2], num_heads=2, use_spatial_transformer=True, context_dim=24,
                            transformer_depth=2, legacy=False), dict(heads=[2]),
                  dict(_class_name="UNet2DConditionModel", block_out_channels=[32, 64], layers_per_block=1,
                       down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                       up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"], cross_attention_dim=24,
                       attention_head_dim=2, use_linear_projection=False, transformer_layers_per_block=2)),
    "cond_linear": (SD2, dict(in_channels=4, out_channels=4, attention_resolutions=[1, 2], num_res_blocks=1,
                              channel_mult=[1, 2], num_head_channels=16, use_spatial_transformer=True,
                              use_linear_in_transformer=True, context_dim=16, legacy=False),
                    dict(head_channels=16),
                    dict(_class_name="UNet2DConditionModel", block_out_channels=[32, 64], layers_per_block=1,
                         down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2,
                         cross_attention_dim=16, attention_head_dim=[2, 4], use_linear_projection=True)),
    "cond_classes": (LDM, dict(in_channels=3, out_channels=3, attention_resolutions=[2, 4], num_res_blocks=2,
                               channel_mult=[1, 2, 3], num_heads=1, use_spatial_transformer=True, context_dim=8,
                               num_classes=5), dict(heads=[1]),
                     dict(_class_name="UNet2DConditionModel", in_channels=3, out_channels=3,
                          block_out_channels=[32, 64, 96], layers_per_block=2, num_class_embeds=5,
                          down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                          up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                          cross_attention_dim=8, attention_head_dim=1)),
    "cond_resnets": (DP, dict(in_channels=3, out_channels=3, attention_resolutions=[1, 2], num_res_blocks=1,
                              channel_mult=[1, 2], num_heads=2, use_spatial_transformer=True, context_dim=5,
                              use_scale_shift_norm=True, resblock_updown=True), dict(heads=[2]),
                     dict(_class_name="LatentUNet2DCondition", in_channels=3, out_channels=3,
                          block_out_channels=[32, 64], layers_per_block=1,
                          down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2,
                          cross_attention_dim=5, attention_head_dim=2, resnet_time_scale_shift="scale_shift",
                          resnet_resampling=True)),
    "cond_shift": (DP, dict(in_channels=3, out_channels=3, attention_resolutions=[2], num_res_blocks=1,
                            channel_mult=[1, 2], num_heads=2, use_spatial_transformer=True, context_dim=5,
                            use_scale_shift_norm=True), dict(heads=[2]),
                   dict(_class_name="LatentUNet2DCondition", in_channels=3, out_channels=3,
                        block_out_channels=[32, 64], layers_per_block=1,
                        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
                        up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
                        cross_attention_dim=5, attention_head_dim=2, resnet_time_scale_shift="scale_shift",
                        resnet_resampling=False)),
    "cond_updown": (DP, dict(in_channels=3, out_channels=3, attention_resolutions=[2], num_res_blocks=2,
                             channel_mult=[1, 2], num_heads=2, use_spatial_transformer=True, context_dim=5,
                             resblock_updown=True), dict(heads=[2]),
                    dict(_class_name="LatentUNet2DCondition", in_channels=3, out_channels=3,
                         block_out_channels=[32, 64], layers_per_block=2,
                         down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
                         up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
                         cross_attention_dim=5, attention_head_dim=2, resnet_time_scale_shift="default",
                         resnet_resampling=True)),
    "uncond": (LDM, dict(in_channels=3, out_channels=3, attention_resolutions=[2], num_res_blocks=1,
                         channel_mult=[1, 2], num_head_channels=16), dict(head_channels=16),
               dict(_class_name="UNet2DModel", in_channels=3, out_channels=3, block_out_channels=[32, 64],
                    layers_per_block=1, down_block_types=["DownBlock2D", "AttnDownBlock2D"],
                    up_block_types=["AttnUpBlock2D", "UpBlock2D"], attention_head_dim=16,
                    downsample_type="conv", upsample_type="conv", resnet_time_scale_shift="default")),
    "uncond_resnets": (DP, dict(in_channels=3, out_channels=3, attention_resolutions=[1, 2, 4], num_res_blocks=1,
                                channel_mult=[1, 2, 4], num_head_channels=16, use_scale_shift_norm=True,
                                resblock_updown=True), dict(head_channels=16),
                       dict(_class_name="UNet2DModel", in_channels=3, out_channels=3,
                            block_out_channels=[32, 64, 128], layers_per_block=1,
                            down_block_types=["AttnDownBlock2D"] * 3, up_block_types=["AttnUpBlock2D"] * 3,
                            attention_head_dim=16, downsample_type="resnet", upsample_type="resnet",
                            resnet_time_scale_shift="scale_shift", attn_norm_num_groups=32)),
    "uncond_heads": (DP, dict(in_channels=3, out_channels=3, attention_resolutions=[1, 2], num_res_blocks=1,
                              channel_mult=[1, 2], num_heads=4, use_scale_shift_norm=True, resblock_updown=True),
                     dict(heads=[4]),
                     dict(_class_name="LatentUNet2D", in_channels=3, out_channels=3, block_out_channels=[32, 64],
                          layers_per_block=1, down_block_types=["AttnDownBlock2D"] * 2,
                          up_block_types=["AttnUpBlock2D"] * 2, num_attention_heads=4, downsample_type="resnet",
                          upsample_type="resnet", resnet_time_scale_shift="scale_shift", attn_norm_num_groups=32)),
}
BETAS = dict(betas=[0.001, 0.02])  # of the twins


def unet_twin(name):
    checkout, params, options, config = UNETS[name]
    theirs = randomise(unet_of(checkout, image_size=8, model_channels=32, **params), len(name))
    state = theirs.state_dict()
    if "heads" in options:
        def heads_of_width(_):
            return options["heads"][0]
    else:
        def heads_of_width(width):
            return width // options["head_channels"]
    ours = load(diffusers_unet(config), unet_rules(state, params["num_res_blocks"], heads_of_width), name)
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(2, params["in_channels"], 8, 12, generator=generator)
    t = torch.tensor([17.0, 903.0])
    with torch.no_grad():
        context = torch.randn(2, 3, params.get("context_dim", 1), generator=generator)
        labels = torch.tensor([1, 4]) if "num_classes" in params else None
        is_conditional = "context_dim" in params
        want = theirs(x, t, context=context if is_conditional else None, y=labels)
        more = dict(encoder_hidden_states=context) if is_conditional else {}
        must_agree(name, want, ours(x, t, class_labels=labels, **more).sample)
    return dict(options=options | BETAS, compvis=lines_of(state, "model.diffusion_model."),
                diffusers={"unet": dict(config=config) | count_of(lines_of(ours.state_dict()))})


AUTOENCODERS = {
    "kl": (dict(embed_dim=2, ddconfig=dict(
               double_z=True, z_channels=2, resolution=16, in_channels=3, out_ch=3, ch=32, ch_mult=[1, 2],
               num_res_blocks=1, attn_resolutions=[8])),
           dict(_class_name="AutoencoderKL", block_out_channels=[32, 64], layers_per_block=1, latent_channels=2,
                down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
                up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"])),
    "vq": (dict(embed_dim=4, n_embed=64, ddconfig=dict(
               double_z=False, z_channels=3, resolution=16, in_channels=1, out_ch=1, ch=32, ch_mult=[1, 2, 2],
               num_res_blocks=2, attn_resolutions=[16])),
           dict(_class_name="VQModel", block_out_channels=[32, 64, 64], layers_per_block=2, latent_channels=3,
                in_channels=1, out_channels=1, num_vq_embeddings=64, vq_embed_dim=4,
                down_block_types=["AttnDownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
                up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D", "AttnUpDecoderBlock2D"])),
}


def autoencoder_twin(name):
    params, config = AUTOENCODERS[name]
    theirs = randomise(autoencoder_of(LDM, params), len(name))
    state = theirs.state_dict()
    ours = load(diffusers_autoencoder(config), autoencoder_rules(state, len(config["block_out_channels"])), name)
    x = torch.randn(2, config.get("in_channels", 3), 16, 16, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        h = theirs.quant_conv(theirs.encoder(x))
        z = h.chunk(2, 1)[0] if name == "kl" else h
        mine = ours.encode(x).latent_dist.parameters if name == "kl" else ours.encode(x).latents
        must_agree(name + " encoder", h, mine)
        want = theirs.decoder(theirs.post_quant_conv(z))
        more = {} if name == "kl" else dict(force_not_quantize=True)
        must_agree(name + " decoder", want, ours.decode(z, **more).sample)
    subfolder = "vae" if name == "kl" else "vqvae"
    return dict(options={}, compvis=lines_of(state, "first_stage_model."),
                diffusers={subfolder: dict(config=config) | count_of(lines_of(ours.state_dict()))})


def taesd_twin(half):
    blocks = [1, 2] if half == "encoder" else [2, 1]
    theirs = randomise((taesd_encoder if half == "encoder" else taesd_decoder)(8, blocks), len(half))
    config = dict(_class_name="AutoencoderTiny", encoder_block_out_channels=[8, 8],
                  decoder_block_out_channels=[8, 8], num_encoder_blocks=[1, 2], num_decoder_blocks=[2, 1])
    whole = AutoencoderTiny(**{key: value for key, value in config.items() if key != "_class_name"}).eval()
    state = taesd_rules(theirs.state_dict(), half)
    wanted = {name: value for name, value in whole.state_dict().items() if name.startswith(half)}
    assert set(wanted) == set(state), sorted(set(wanted) ^ set(state))
    whole.load_state_dict(state, strict=False)
    x = torch.randn(2, 3 if half == "encoder" else 4, 8, 8, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        if half == "encoder":
            must_agree("taesd encoder", theirs((x + 1) / 2), whole.encode(x).latents)
        else:
            must_agree("taesd decoder", theirs(x) * 2 - 1, whole.decode(x).sample)
    return dict(options={}, compvis=lines_of(theirs.state_dict()),
                diffusers={"vae": dict(config=config) | count_of(lines_of(wanted))})


CONTEXT_UNET = (LDM, dict(in_channels=4, out_channels=4, attention_resolutions=[1], num_res_blocks=1,
                          channel_mult=[1], num_heads=2, use_spatial_transformer=True, context_dim=32, legacy=False))
CONTEXT_CONFIG = dict(_class_name="UNet2DConditionModel", block_out_channels=[32], layers_per_block=1,
                      down_block_types=["CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D"],
                      cross_attention_dim=32, attention_head_dim=2)


def with_small_unet(condition, subfolder, config, tensors, options):
    """A conditioner is read beside a UNet only."""
    checkout, params = CONTEXT_UNET
    theirs = unet_of(checkout, image_size=8, model_channels=32, **params)
    ours = diffusers_unet(CONTEXT_CONFIG)
    load(ours, unet_rules(theirs.state_dict(), 1, lambda _: 2), "small unet")
    return dict(options=dict(heads=[2]) | BETAS | options,
                compvis=lines_of(theirs.state_dict(), "model.diffusion_model.") + condition,
                diffusers={"unet": dict(config=CONTEXT_CONFIG) | count_of(lines_of(ours.state_dict())),
                           subfolder: dict(config=typed(subfolder, config)) | count_of(tensors)})


def text_twins():
    ids = torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(3))
    twins = {}

    config = clip_config(32, 3, 4, "quick_gelu", vocabulary=50)
    ours = randomise(CLIPTextModel(CLIPTextConfig(**config)), 1)
    flat = lines_of(parameters_of(ours))
    twins["clip"] = with_small_unet(["cond_stage_model.transformer.text_model." + line for line in flat],
                                    "text_encoder", config, flat, dict(text_heads=4))

    theirs = randomise(OpenClip(32, 3, 4, 50), 2)
    config = clip_config(32, 3, 4, "gelu", vocabulary=50)
    ours = load(CLIPTextModel(CLIPTextConfig(**config)), open_clip_rules(theirs.state_dict()), "open_clip")
    with torch.no_grad():
        must_agree("open_clip", theirs(ids), ours(ids).last_hidden_state)
    twins["open_clip"] = with_small_unet(lines_of(theirs.state_dict(), "cond_stage_model.model."), "text_encoder",
                                         config, lines_of(parameters_of(ours)), dict(text_heads=4))

    theirs = randomise(ldm_bert_of(32, 2, 50), 3)
    config = dict(d_model=32, encoder_layers=2, encoder_ffn_dim=128, encoder_attention_heads=8, head_dim=64,
                  vocab_size=50, max_position_embeddings=77)
    ours = load(LDMBertModel(LDMBertConfig(**config)), ldm_bert_rules(theirs.state_dict()), "ldm_bert")
    with torch.no_grad():
        must_agree("ldm_bert", theirs(ids, return_embeddings=True), ours.model(ids)[0])
    twins["ldm_bert"] = with_small_unet(lines_of(theirs.state_dict(), "cond_stage_model.transformer."), "bert",
                                        config, lines_of(parameters_of(ours)), {})

    table = nn.Embedding(7, 32)
    tensors = lines_of({"embedding.weight": table.weight})
    twins["classes"] = with_small_unet(["cond_stage_model." + line for line in tensors], "class_embedder",
                                       dict(_class_name="ClassEmbedder", rows=7, embedding_dim=32), tensors, {})
    return twins


def main():
    OUT.mkdir(exist_ok=True)
    twins = {name: unet_twin(name) for name in UNETS}
    twins |= {name: autoencoder_twin(name) for name in AUTOENCODERS}
    twins |= {"taesd_" + half: taesd_twin(half) for half in ("encoder", "decoder")}
    twins |= text_twins()
    (OUT / "twins.json").write_text(json.dumps(twins, indent=0) + "\n")
    known = {name: family_golden(name, parts) for name, parts in families().items()} | taesd_family()
    (OUT / "families.json").write_text(json.dumps(known, indent=1) + "\n")


main()
