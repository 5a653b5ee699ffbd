// @ts-check
// The face editors as widgets of nodes.
import { button, element } from "./dom.mjs"
import { FacePicker } from "./face_picker.mjs"
import { LOOK, faceServer, ownType, recordEdit, setWidget, watchSource, widgetOf } from "./host.mjs"
import { KeypointEditor } from "./keypoint_editor.mjs"
import { Scope } from "./scope.mjs"
import { addStyle, followTheme } from "./theme.mjs"
import { toggleLargeView } from "./tools.mjs"
import { WORDS } from "./words.mjs"

/** Pixels of a node's editor. */
const SMALLEST = { width: 380, height: 400 }
/** Pixels of one that is behind a button. */
const COMPACT = 40

/**
 * An editor in place of a text widget; the widget's value is the editor's text.
 * @param {any} node
 * @param {string} name
 * @param {string} type no type of ComfyUI's own, which Nodes 2.0 would draw itself
 * @param {(scope: Scope, server: import("./face_view.mjs").Server, onChange: (text: string) => void) => KeypointEditor | FacePicker} make
 */
function editorWidget(node, name, type, make) {
  const scope = new Scope()
  const editor = make(scope, serverOf(node), (text) => tell(widget, text))
  const widget = textWidget(node, name, type, scope, editor, editor.element, SMALLEST.height)
  watchSource(scope, node, (source) => editor.setFile(source.file, whyNone(source)))
  return { widget, minWidth: SMALLEST.width, minHeight: SMALLEST.height }
}

/** @param {any} node @param {string} name */
export const keypointWidget = (node, name) =>
  editorWidget(node, name, "ANIMAL_LIP_SYNC_KEYPOINTS", (scope, server, onChange) => {
    const editor = new KeypointEditor(scope, server, (text, chosen) => {
      setWidget(node, "face", chosen)
      onChange(text)
    })
    watchFace(scope, node, editor)
    return editor
  })

/** @param {any} node @param {string} name */
export const pickWidget = (node, name) =>
  editorWidget(node, name, "ANIMAL_LIP_SYNC_PICK", (scope, server, onChange) => {
    const picker = new FacePicker(scope, server, onChange)
    const look = () => picker.setRule(widgetOf(node, "speaker")?.value, widgetOf(node, "face")?.value ?? 0)
    scope.every(LOOK, look)
    return picker
  })

/**
 * The keypoint editor behind a button, for nodes that do other things too; it asks the server nothing until opened.
 * @param {any} node
 * @param {string} name
 */
export function keypointButtonWidget(node, name) {
  const scope = new Scope()
  let source = { file: "", connected: false }
  const open = button(WORDS.faces.edit, WORDS.faces.edit, { class: "als-button" })
  const state = element("span", { class: "als-state" })
  const editor = new KeypointEditor(scope, serverOf(node), (text, chosen) => {
    setWidget(node, "face", chosen)
    tell(widget, text)
    show()
  })
  const show = () => (state.textContent = editor.text && WORDS.faces.byHand)
  followTheme(scope, editor.element)
  const home = element("div", { hidden: "" }, editor.element)
  const row = element("div", { class: "als-panel als-editor als-compact" }, open, state, home)
  scope.listen(open, "click", () => {
    toggleLargeView(scope, editor.element, WORDS.faces.edit)
    editor.setFile(source.file, whyNone(source))
  })
  const document = {
    get text() {
      return editor.text
    },
    set text(text) {
      editor.text = text
      show()
    },
  }
  const widget = textWidget(node, name, "ANIMAL_LIP_SYNC_KEYPOINT_BUTTON", scope, document, row, COMPACT)
  // as high as it is: Nodes 2.0 stretches what has a layout size
  Object.assign(widget, { computeLayoutSize: undefined, computeSize: () => [0, COMPACT] })
  watchSource(scope, node, (now) => {
    source = now
    if (editor.element.closest("dialog")) editor.setFile(source.file, whyNone(source))
  })
  watchFace(scope, node, editor)
  show()
  return { widget, minWidth: 200, minHeight: COMPACT }
}

/** @param {any} node */
const serverOf = (node) => faceServer(() => widgetOf(node, "min_score")?.value ?? 0.3)

/** @param {{file: string, connected: boolean}} source */
const whyNone = ({ file, connected }) => (file ? "" : connected ? WORDS.faces.runOnce : WORDS.faces.unconnected)

/** The widget of the number is made after an editor's, and may be typed into. */
function watchFace(scope, node, editor) {
  scope.every(LOOK, () => (editor.chosen = widgetOf(node, "face")?.value ?? 0))
}

function tell(widget, text) {
  widget.callback?.(text)
  recordEdit()
}

/**
 * @param {any} node @param {string} name @param {string} type
 * @param {Scope} scope ends with the widget
 * @param {{text: string}} document
 * @param {HTMLElement} shown @param {number} height
 */
function textWidget(node, name, type, scope, document, shown, height) {
  addStyle(new URL("face_editors.css", import.meta.url).href)
  followTheme(scope, shown)
  const widget = node.addDOMWidget(name, ownType(type), shown, {
    getValue: () => document.text,
    setValue: (text) => (document.text = text),
    getMinHeight: () => height,
    hideOnZoom: false,
  })
  const { onRemove } = widget
  widget.onRemove = function () {
    scope.dispose()
    onRemove?.apply(this, arguments)
  }
  return widget
}
