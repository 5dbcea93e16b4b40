# SPDX-License-Identifier: GPL-3.0-or-later
"""The public families of latent diffusion checkpoints as diffusers and transformers configure them.

Every family names its components by their folder. A tiny twin keeps what a family is recognised by (context width,
rule for the heads, number of levels, vocabulary, class table) and shrinks the rest; the original code fixes 32 groups,
so widths stay multiples of 32."""

X, B, A = "CrossAttn{}Block2D", "{}Block2D", "Attn{}Block2D"


def blocks(pattern):
    """'XXXB' -> (down_block_types, up_block_types): the way up mirrors the way down."""
    kinds = [{"X": X, "B": B, "A": A}[letter] for letter in pattern]
    return [k.format("Down") for k in kinds], [k.format("Up") for k in reversed(kinds)]


def unet(widths, pattern, channels, context, heads, sample, **more):
    down, up = blocks(pattern)
    return dict(sample_size=sample, in_channels=channels, out_channels=channels, block_out_channels=list(widths),
                down_block_types=down, up_block_types=up, layers_per_block=more.pop("layers", 2),
                cross_attention_dim=context, attention_head_dim=heads, **more)


def vae(widths, sample, latent, pattern=None, **more):
    pattern = pattern or "B" * len(widths)
    down = [("Attn" if p == "A" else "") + "DownEncoderBlock2D" for p in pattern]
    up = [("Attn" if p == "A" else "") + "UpDecoderBlock2D" for p in reversed(pattern)]
    return dict(sample_size=sample, in_channels=3, out_channels=3, block_out_channels=list(widths),
                down_block_types=down, up_block_types=up, layers_per_block=2, latent_channels=latent,
                norm_num_groups=32, **more)


def clip(hidden, ffn, layers, heads, activation, projection, tiny):
    return dict(vocab_size=49408, hidden_size=hidden, intermediate_size=64 if tiny else ffn,
                num_hidden_layers=2 if tiny else layers, num_attention_heads=heads, hidden_act=activation,
                max_position_embeddings=77, layer_norm_eps=1e-5, projection_dim=projection, bos_token_id=0,
                eos_token_id=2, pad_token_id=1)


def betas(start, end, **more):
    return dict(beta_start=start, beta_end=end, beta_schedule="scaled_linear", num_train_timesteps=1000,
                clip_sample=False, set_alpha_to_one=False) | more


def sd1(tiny):
    w = (32, 64, 128, 128) if tiny else (320, 640, 1280, 1280)
    v = (32, 64, 128, 128) if tiny else (128, 256, 512, 512)
    pndm = betas(0.00085, 0.012, skip_prk_steps=True, steps_offset=1)
    del pndm["clip_sample"]
    return {"unet": ("UNet2DConditionModel", unet(w, "XXXB", 4, 768, 8, 64)),
            "vae": ("AutoencoderKL", vae(v, 512, 4, scaling_factor=0.18215)),
            "text_encoder": ("CLIPTextModel", clip(768, 3072, 12, 12, "quick_gelu", 768, tiny)),
            "tokenizer": "clip", "scheduler": ("PNDMScheduler", pndm)}


def sd2(tiny):
    w = (64, 128, 256, 256) if tiny else (320, 640, 1280, 1280)
    v = (32, 64, 128, 128) if tiny else (128, 256, 512, 512)
    ddim = betas(0.00085, 0.012, steps_offset=1, prediction_type="v_prediction")
    return {"unet": ("UNet2DConditionModel", unet(w, "XXXB", 4, 1024, [c // 64 for c in w], 96,
                                                  use_linear_projection=True)),
            "vae": ("AutoencoderKL", vae(v, 768, 4, scaling_factor=0.18215)),
            "text_encoder": ("CLIPTextModel", clip(1024, 4096, 23, 16, "gelu", 512, tiny)),
            "tokenizer": "clip2", "scheduler": ("DDIMScheduler", ddim)}


def text2im(tiny):
    w = (32, 64, 128, 128) if tiny else (320, 640, 1280, 1280)
    v = (32, 64, 128, 128) if tiny else (128, 256, 512, 512)
    bert = dict(vocab_size=30522, d_model=1280, encoder_layers=2 if tiny else 32,
                encoder_ffn_dim=5120, encoder_attention_heads=8, head_dim=64, max_position_embeddings=77)
    return {"unet": ("UNet2DConditionModel", unet(w, "XXXB", 4, 1280, 8, 32)),
            "vqvae": ("AutoencoderKL", vae(v, 256, 4, scaling_factor=0.18215)),
            "bert": ("LDMBertModel", bert),
            "tokenizer": "bert", "scheduler": ("DDIMScheduler", betas(0.00085, 0.012, steps_offset=1))}


def vq_f4(tiny):
    return ("VQModel", vae((32, 64, 128) if tiny else (128, 256, 512), 256, 3, num_vq_embeddings=8192,
                           scaling_factor=1.0))


def cin256(tiny):
    w = (32, 64, 96, 160) if tiny else (192, 384, 576, 960)
    return {"unet": ("UNet2DConditionModel", unet(w, "BXXX", 3, 512, 1, 64)),
            "vqvae": vq_f4(tiny),
            "class_embedder": ("ClassEmbedder", dict(rows=1001, embedding_dim=512)),
            "scheduler": ("DDIMScheduler", betas(0.0015, 0.0195, steps_offset=1))}


def celebahq(tiny):
    config = unet((32, 64, 96, 128) if tiny else (224, 448, 672, 896), "BAAA", 3, None, 32, 64)
    del config["cross_attention_dim"]
    return {"unet": ("UNet2DModel", config), "vqvae": vq_f4(tiny),
            "scheduler": ("DDIMScheduler", betas(0.0015, 0.0195))}


def dp_cifar(tiny):
    w = (32, 64, 64, 128) if tiny else (128, 256, 256, 512)
    return {"unet": ("UNet2DConditionModel", unet(w, "XXXB", 3, 512, 8, 16)),
            "vae": ("AutoencoderKL", vae((32, 64) if tiny else (128, 256), 32, 3, "BA", scaling_factor=1.0)),
            "class_embedder": ("ClassEmbedder", dict(rows=1001, embedding_dim=512)),
            "scheduler": ("DDIMScheduler", betas(0.0015, 0.0155, steps_offset=1))}


def dp_mnist(tiny):
    w = (32, 64) if tiny else (64, 128)
    v = (32, 64, 96, 160) if tiny else (128, 256, 384, 640)
    # "ResamplingUNet" is diffusers' UNet2DConditionModel with residual blocks between the levels (components.py).
    return {"unet": ("ResamplingUNet", unet(w, "XX", 3, 5, 4, 4, layers=1, resnet_time_scale_shift="scale_shift")),
            "vae": ("AutoencoderKL", vae(v, 32, 3, "AAAB", scaling_factor=1.0)),
            "class_embedder": ("ClassEmbedder", dict(rows=26, embedding_dim=5)),
            "scheduler": ("DDIMScheduler", betas(0.0015, 0.0155, steps_offset=1))}


FAMILIES = {"sd1": sd1, "sd2": sd2, "text2im": text2im, "cin256": cin256, "celebahq": celebahq,
            "dp-cifar": dp_cifar, "dp-mnist": dp_mnist}
AUTOENCODERS = ("vae", "vqvae")
CONDITIONERS = ("text_encoder", "bert", "class_embedder")

# Parameters and tensors as published, in diffusers' layout and in the original one (fused rows, leftovers left out).
# A BERT has 39,098,682 parameters in to_logits, which nothing uses; they are part of its count.
SD_VAE = (83_653_863, 248, 248)
VQ_F4 = (55_322_782, 205, 205)
PUBLISHED = {
    "sd1": {"unet": (859_520_964, 686, 686), "vae": SD_VAE, "text_encoder": (123_060_480, 196, 196)},
    "sd2": {"unet": (865_910_724, 686, 686), "vae": SD_VAE, "text_encoder": (340_387_840, 372, 372 - 23 * 4)},
    "text2im": {"unet": (872_300_484, 686, 686), "vqvae": SD_VAE, "bert": (581_994_042, 422, 422)},
    "cin256": {"unet": (400_920_579, 688, 688), "vqvae": VQ_F4, "class_embedder": (512_512, 1, 1)},
    "celebahq": {"unet": (274_056_163, 432, 432 - 16 * 4), "vqvae": VQ_F4},
    "dp-cifar": {"unet": (90_290_563, 686, 686), "vae": (14_639_807, None, None),
                 "class_embedder": (512_512, 1, 1)},
    "dp-mnist": {"unet": (4_606_467, None, None), "vae": (102_553_535, None, None),
                 "class_embedder": (130, 1, 1)},
}
