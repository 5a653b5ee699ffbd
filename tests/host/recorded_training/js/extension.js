import { app } from "../../../scripts/app.js"
import { addTrainingWidget } from "../ComfyUI-Animal-Lip-Sync/js/training_widget.mjs"

app.registerExtension({
  name: "RecordedTraining",
  nodeCreated(node) {
    if (node.comfyClass === "RecordedTraining") addTrainingWidget(node)
  },
})
