"""The ComfyUI nodes: schemas, sockets, devices and progress around `animal_lipsync`."""

from comfy_api.latest import ComfyExtension
from server import PromptServer

from .animate import AnimateMouthWarp, MakeAnimalTalk
from .audio import SpeakText, VoiceEffect
from .compare import Compare
from .crop import CropMouth, StitchMouth
from .dashboard import add_training_routes
from .dialogue import TakeTurns
from .edit_visemes import EditVisemes
from .evaluate import EvaluateLipSync
from .face_routes import add_face_routes
from .faces import ChooseFace, DetectAnimalFaces, TrackFace
from .inpaint import AnimateMouthInpaint, LoadMuseTalk, PrepareAnimal, SpeechFeatures
from .keypoints import DrawLandmarks, EditKeypoints
from .motion import MotionFromKeyframes, SpeechToMouthMotion
from .performance import LoadMouthMotion, MotionFromCurve, MotionFromPerformance
from .pet_clips import PreparePetClips, add_report_route
from .preview import VisemesPreview
from .prompted import FindHeadsByPrompt
from .samples import provide_samples
from .training import TrainPetLora
from .voice_routes import add_voice_routes

NODES = [
    MakeAnimalTalk,
    DetectAnimalFaces,
    FindHeadsByPrompt,
    ChooseFace,
    EditKeypoints,
    TrackFace,
    SpeechToMouthMotion,
    SpeakText,
    EditVisemes,
    VisemesPreview,
    MotionFromKeyframes,
    MotionFromCurve,
    MotionFromPerformance,
    LoadMouthMotion,
    AnimateMouthWarp,
    LoadMuseTalk,
    SpeechFeatures,
    PrepareAnimal,
    AnimateMouthInpaint,
    CropMouth,
    StitchMouth,
    DrawLandmarks,
    VoiceEffect,
    Compare,
    EvaluateLipSync,
    TakeTurns,
    PreparePetClips,
    TrainPetLora,
]


class AnimalLipSync(ComfyExtension):
    async def on_load(self):
        provide_samples()
        add_face_routes(PromptServer.instance.routes)
        add_voice_routes(PromptServer.instance.routes)
        add_training_routes(PromptServer.instance.routes)
        add_report_route(PromptServer.instance.routes)

    async def get_node_list(self):
        return NODES
