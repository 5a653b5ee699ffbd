"""ComfyUI loads this folder by its path; everything it needs is reached from `comfy_entrypoint`."""

WEB_DIRECTORY = "./web"


def comfy_entrypoint():
    from .nodes import AnimalLipSync

    return AnimalLipSync()
