"""A 100-megapixel image: quick metadata, a preview that never holds the full size, a streamed full bitmap."""

import asyncio
import time

from support import call, memory, python, reset_peak

SIDE = 10_000


def test_a_hundred_megapixels(own):
    async def scenario():
        async with own.client(read_timeout_seconds=300) as client:
            made = await call(client, "create_new_image", width=SIDE, height=SIDE, alpha=False, timeout=120)
            image = made["image"]
            await python(
                client,
                f"drawable = Gimp.Image.get_by_id({image}).get_layers()[0]",
                "noise = Gimp.DrawableFilter.new(drawable, 'gegl:noise-rgb', '')",
                "drawable.merge_filter(noise)",
                image=image, timeout=240,
            )
            # Against a tiny image's in the same moments, since the machine is not ours alone
            tiny = (await call(client, "create_new_image", width=8, height=8, alpha=False))["image"]  # small: to compare with
            times = {image: [], tiny: []}
            for asked in [image, tiny] * 8:
                started = time.monotonic()
                metadata = await call(client, "get_image_metadata", image=asked)
                times[asked].append(time.monotonic() - started)
                assert metadata["basic"]["width"] == (SIDE if asked == image else 8)
            await call(client, "close_image", image=tiny, discard_changes=True)
            large, small = min(times[image]), min(times[tiny])
            print(f"metadata: {large * 1000:.0f} ms, of 8x8 pixels {small * 1000:.0f} ms")
            assert large < 0.05 + 2 * small, "metadata reads pixels"

            reset_peak(own.daemon.pid)
            base = memory(own.daemon.pid)
            preview = await call(client, "get_image_bitmap", image=image, max_width=1024, timeout=120)
            assert preview["picture"].shape[:2] == (1024, 1024)
            grown = memory(own.daemon.pid, "VmHWM") - base
            assert grown < 24, f"a preview took {grown:.0f} MB of the daemon"

            reset_peak(own.daemon.pid)
            base = memory(own.daemon.pid)
            full = await call(client, "get_image_bitmap", image=image, timeout=300)
            encoded = len(full["encoded"]) / 2**20
            grown = memory(own.daemon.pid, "VmHWM") - base
            assert full["picture"].shape[:2] == (SIDE, SIDE)
            print(f"full bitmap: {encoded:.0f} MB encoded, {grown:.0f} MB of daemon memory at the peak")
            assert grown < 1.5 * encoded + 16, f"{grown:.0f} MB for {encoded:.0f} MB encoded"

    asyncio.run(scenario())
