"""Memory of the full-size networks in half precision, counted on tensors without storage: no graphics card is needed.

    python benchmarks/memory.py

Counts weights and what is alive at once during each pass, as an eager run allocates it; not the workspaces of a
graphics card's libraries, nor what its allocator leaves unused. The last line is JSON.
"""

import json
import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Counter(TorchDispatchMode):
    """Bytes of the tensors that are made within it and not yet gone; those of `known` are not counted."""

    def __init__(self, known):
        super().__init__()
        self.live = self.peak = 0
        self._storages = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self._storages:
                storage = tensor.untyped_storage()
                self._storages.add(storage._cdata)
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())
        return made

    def _forget(self, name: int, size: int) -> None:
        self._storages.discard(name)
        self.live -= size


@torch.no_grad()
def count(batch: int) -> dict:
    """GB of a batch of faces: the weights, each pass on top of them, and the most of all at once."""
    from animal_lipsync.networks import build_unet, build_vae

    with torch.device("meta"):
        unet, vae = build_unet().half().eval(), build_vae().half().eval()
        latents, tokens = torch.zeros(batch, 8, 32, 32).half(), torch.zeros(batch, 50, 384).half()
        # the hidden and the shown picture of half a batch at once, as the engine encodes
        crops, now = torch.zeros(2 * max(1, batch // 2), 3, 256, 256).half(), torch.zeros(1)
        weights = [*unet.parameters(), *vae.parameters()]
        passes = {
            "unet": lambda: unet(latents, now, encoder_hidden_states=tokens),
            "decode": lambda: vae.decode(latents[:, :4]),
            "encode": lambda: vae.encode(crops).latent_dist.mode(),
        }
        row = {"batch": batch, "weights": sum(tensor.nbytes for tensor in weights) / 1e9}
        for name, run in passes.items():
            with Counter(weights) as counter:
                run()
            row[name] = counter.peak / 1e9
    row["most"] = row["weights"] + max(row[name] for name in passes)
    return {name: round(value, 2) for name, value in row.items()}


def main() -> None:
    rows = [count(batch) for batch in (1, 2, 4, 8, 16)]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
