// @ts-check
// The face editors as widgets of nodes.
import { faceServer, recordEdit, setWidget, watchSource, widgetOf } from "./host.mjs"
import { KeypointEditor } from "./keypoint_editor.mjs"
import { Scope } from "./scope.mjs"
import { WORDS } from "./words.mjs"

const SMALLEST = { width: 380, height: 400 }

const link = document.createElement("link")
link.rel = "stylesheet"
link.href = new URL("face_editors.css", import.meta.url).href
document.head.append(link)

/**
 * The keypoint editor in place of a text widget; its value is the text.
 * @param {any} node
 * @param {string} name
 */
export function keypointWidget(node, name) {
  const scope = new Scope()
  const server = faceServer(() => widgetOf(node, "min_score")?.value ?? 0.3)
  const editor = new KeypointEditor(scope, server, (text, chosen) => {
    setWidget(node, "face", chosen)
    widget.callback?.(text)
    recordEdit()
  })
  const widget = node.addDOMWidget(name, "ANIMAL_LIP_SYNC_KEYPOINTS", editor.element, {
    getValue: () => editor.text,
    setValue: (text) => (editor.text = text),
    getMinHeight: () => SMALLEST.height,
    hideOnZoom: false,
  })
  watchSource(scope, node, ({ file, connected }) =>
    editor.setFile(file, file ? "" : connected ? WORDS.runOnce : WORDS.unconnected),
  )
  // the number of the face stands in a widget that is made after this one, and may be typed into
  scope.every(200, () => (editor.chosen = widgetOf(node, "face")?.value ?? 0))
  const onRemove = widget.onRemove
  widget.onRemove = function () {
    scope.dispose()
    onRemove?.apply(this, arguments)
  }
  return { widget, minWidth: SMALLEST.width, minHeight: SMALLEST.height }
}
