"""Makes a Stable Diffusion pipeline of random weights (some MB) in a folder, without a download. usage: tiny_pipeline.py FOLDER"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer(folder):
    """One token for each printable character."""
    characters = [chr(code) for code in range(33, 127)]
    words = [*characters, *(one + "</w>" for one in characters), BEGIN, END]
    vocabulary = {word: at for at, word in enumerate(words)}
    Path(folder, "vocab.json").write_text(json.dumps(vocabulary))
    Path(folder, "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt", model_max_length=77), vocabulary


def main(out):
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        tokens, vocabulary = tokenizer(folder)
        text = CLIPTextModel(CLIPTextConfig(
            hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2, vocab_size=len(vocabulary),
            bos_token_id=vocabulary[BEGIN], eos_token_id=vocabulary[END], pad_token_id=vocabulary[END]))
        unet = UNet2DConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4, cross_attention_dim=32,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
        vae = AutoencoderKL(block_out_channels=[32, 64], in_channels=3, out_channels=3, latent_channels=4,
                            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)
        scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                                  set_alpha_to_one=False, steps_offset=1)
        StableDiffusionPipeline(vae=vae, text_encoder=text, tokenizer=tokens, unet=unet, scheduler=scheduler, safety_checker=None,
                                feature_extractor=None, requires_safety_checker=False).save_pretrained(out)


if __name__ == "__main__":
    main(sys.argv[1])
