// @ts-check
// The viseme editor as a widget of a node.
import { api } from "../../../scripts/api.js"
import { ask, ownType, recordEdit, sourceFile, viewUrl, widgetOf } from "./host.mjs"
import { Scope } from "./scope.mjs"
import { Timeline } from "./timeline.mjs"
import { WORDS } from "./words.mjs"

/**
 * Milliseconds between two looks at what is connected; neither renderer tells when a widget of another node changes.
 */
const LOOK = 400
/**
 * Milliseconds after an edit, more of which a drag makes, until the page is told; the value itself is always the last one.
 */
const SETTLED = 200
const SMALLEST = { width: 400, height: 370 }
const ROOMY = [660, 600]

/**
 * The editor in place of a text widget; its value is the text.
 * @param {any} node
 * @param {string} name
 */
export function timelineWidget(node, name) {
  const scope = new Scope()
  const element = document.createElement("div")
  let telling = 0
  scope.onDispose(() => clearTimeout(telling))
  const tell = () => {
    widget.callback?.(editor.value)
    recordEdit()
  }
  const rate = () => Number(widgetOf(node, "frame_rate")?.value) || 25
  const editor = new Timeline(element, {
    onChange: () => {
      clearTimeout(telling)
      telling = setTimeout(tell, SETTLED)
    },
    frameRate: rate,
    listen: async () => {
      const answer = await ask("voice", { file: sourceFile(node, "voice").file, frame_rate: rate() })
      return answer.json()
    },
  })
  const widget = node.addDOMWidget(name, ownType("ANIMAL_TIMELINE"), element, {
    getValue: () => editor.value,
    setValue: (/** @type {unknown} */ value) => (editor.value = value),
    getMinHeight: () => SMALLEST.height,
    hideOnZoom: false,
  })

  let shown = ""
  const look = () => {
    if (!node.graph) return
    const { file, connected } = sourceFile(node, "voice")
    const isTrackGiven = sourceFile(node, "visemes").connected
    const now = JSON.stringify([file, connected, isTrackGiven])
    if (now === shown) return
    shown = now
    const words = WORDS.timeline
    const problem = connected ? words.runToSee : words.unconnected
    const url = file && viewUrl(partsOf(file))
    editor.setSource({ url, problem: file ? "" : problem, canListen: Boolean(file) && !isTrackGiven })
  }
  scope.every(LOOK, look)

  const { onExecuted } = node
  node.onExecuted = function (/** @type {any} */ output) {
    onExecuted?.apply(this, arguments)
    show(output)
  }
  /** @param {any} output of the node's run */
  async function show(output) {
    const [timeline, sound] = [output?.timeline?.[0], output?.voice?.[0]]
    const answer = timeline && (await api.fetchApi(`/view?${new URLSearchParams(timeline)}`))
    if (!answer?.ok) return // a server that was started anew has none
    look()
    const isFile = Boolean(sourceFile(node, "voice").file)
    editor.setVoice(await answer.json(), isFile ? "" : viewUrl(sound))
  }

  const { onRemove } = widget
  widget.onRemove = function () {
    scope.dispose()
    editor.dispose()
    onRemove?.apply(this, arguments)
  }
  node.setSize([Math.max(node.size[0], ROOMY[0]), Math.max(node.size[1], ROOMY[1])])
  return { widget, minWidth: SMALLEST.width, minHeight: SMALLEST.height }
}

/** The parts of a widget's name for a file, "sub/voice.wav [output]" included. @param {string} name */
function partsOf(name) {
  const [, path, type = "input"] = /** @type {string[]} */ (name.match(/^(.*?)(?: \[(input|output|temp)\])?$/))
  const cut = path.lastIndexOf("/")
  return { filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(0, cut)), type }
}
