// @ts-check
// The only file that acts when the page imports it.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { addCompareWidget } from "./compare_widget.mjs"
import { keypointButtonWidget, keypointWidget, pickWidget } from "./face_widgets.mjs"
import { localWords } from "./host.mjs"
import { addReportButton } from "./report_button.mjs"
import { timelineWidget } from "./timeline_widget.mjs"
import { addTrainingWidget } from "./training_widget.mjs"
import { WORDS } from "./words.mjs"

/**
 * Take the progress picture off a node of this pack, and off the subgraphs that show it, once its result is there.
 *
 * The page (frontend 1.47) shows the progress picture in place of a video for as long as there is one, and offers no
 * public way to remove it before the next run.
 * @param {string} executionId ids from the outermost graph inwards, joined by ":"
 */
function removeProgressPicture(executionId) {
  // @ts-ignore: the store behind the page's own previews, reached through one that is public
  const previews = app.extensionManager._p?._s.get("nodeOutput")
  const shownBy = []
  let graph = app.rootGraph
  for (const id of executionId.split(":")) {
    const node = graph?.getNodeById(Number(id))
    shownBy.push({ node, locator: graph === app.rootGraph ? id : `${graph?.id}:${id}` })
    graph = node?.subgraph
  }
  if (!shownBy.at(-1)?.node?.type.startsWith("AnimalLipSync_")) return
  for (const { node, locator } of shownBy) {
    previews?.revokePreviewsByLocatorId(locator)
    node.imgs = undefined
    const widget = node.widgets?.findIndex(({ name }) => name === "$$canvas-image-preview") ?? -1
    if (widget >= 0) node.widgets.splice(widget, 1)
  }
}

app.registerExtension({
  name: "AnimalLipSync.Words",
  async init() {
    const known = await localWords()
    for (const [part, words] of Object.entries(WORDS)) Object.assign(words, known[part])
  },
})

app.registerExtension({
  name: "AnimalLipSync.Results",
  setup() {
    api.addEventListener("executed", ({ detail }) => removeProgressPicture(String(detail.display_node ?? detail.node)))
  },
})

app.registerExtension({
  name: "AnimalLipSync.Faces",
  getCustomWidgets: () => ({
    ANIMAL_LIP_SYNC_KEYPOINTS: keypointWidget,
    ANIMAL_LIP_SYNC_KEYPOINT_BUTTON: keypointButtonWidget,
    ANIMAL_LIP_SYNC_PICK: pickWidget,
  }),
})

app.registerExtension({
  name: "AnimalLipSync.Visemes",
  getCustomWidgets: () => ({ ANIMAL_TIMELINE: timelineWidget }),
})

app.registerExtension({
  name: "AnimalLipSync.Compare",
  nodeCreated(node) {
    if (node.comfyClass === "AnimalLipSync_Compare") addCompareWidget(node)
  },
})

app.registerExtension({
  name: "AnimalLipSync.Report",
  nodeCreated(node) {
    if (node.comfyClass === "AnimalLipSync_PreparePetClips") addReportButton(node)
  },
})

app.registerExtension({
  name: "AnimalLipSync.Training",
  nodeCreated(node) {
    if (node.comfyClass === "AnimalLipSync_TrainPetLora") addTrainingWidget(node)
  },
})
