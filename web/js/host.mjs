// @ts-check
// Everything the face editors touch of ComfyUI: its server, its graph, its widgets.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"

/**
 * Milliseconds between two looks at what is connected; neither renderer tells when a widget of another node changes.
 */
export const LOOK = 300
/** Widgets by which loaders name their file. */
const FILE_WIDGETS = ["image", "file", "video", "audio"]
/** Of a node's `mode`. */
const MUTED = 2
const BYPASSED = 4

/** Ask the pack's own routes. @param {string} path @param {object} question */
export async function ask(path, question) {
  const answer = await api.fetchApi(`/animal_lipsync/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(question),
  })
  if (answer.ok) return answer
  const { error } = await answer.json().catch(() => ({}))
  throw new Error(error ?? `The server answered ${answer.status}.`)
}

/** @param {() => number} minScore @returns {import("./face_view.mjs").Server} */
export const faceServer = (minScore) => ({
  async frame(file, frame) {
    const answer = await ask("frame", { file, frame })
    return { picture: await answer.blob(), source: JSON.parse(answer.headers.get("X-Source") ?? "{}") }
  },
  async faces(file, frame, boxes) {
    return (await ask("faces", { file, frame, boxes, min_score: minScore() })).json()
  },
  async mouth(file, frame, faces, motion) {
    const answer = await ask("mouth", { file, frame, faces, motion })
    return { picture: await answer.blob(), box: JSON.parse(answer.headers.get("X-Box") ?? "[]") }
  },
  async table(text) {
    return (await ask("table", { text })).json()
  },
})

/** Words of `locales/` in the page's language, by editor and name; none in English. */
export async function localWords() {
  const language = app.extensionManager.setting.get("Comfy.Locale")
  const known = await api.fetchApi("/i18n").then((answer) => answer.json())
  return known[language]?.animalLipSync ?? {}
}

let types = 0

/** The page that Prepare Pet Clips wrote. @param {string} name of the dataset */
export const reportUrl = (name) => api.apiURL(`/animal_lipsync/report?${new URLSearchParams({ name })}`)

/**
 * A type of one widget alone. Nodes 2.0 (frontend 1.47) does not notice that Undo made a node anew: it goes on showing
 * the element of the old widget, which nothing listens to any more, unless the new one differs in name or type.
 * @param {string} type
 */
export const ownType = (type) => `${type}_${++types}`

/** @param {any} node @param {string} name */
export const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name)

/**
 * Set another widget of a node as if it had been typed in.
 * @param {any} node @param {string} name @param {unknown} value
 */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name)
  if (!widget || widget.value === value) return
  widget.value = value
  widget.callback?.(value)
}

/** Let the page's own undo know of an edit that was not made with the mouse. */
export function recordEdit() {
  app.extensionManager.workflow?.activeWorkflow?.changeTracker?.captureCanvasState?.()
}

/**
 * The file that reaches an input unchanged, if a loader sends it: through reroutes, bypassed nodes and subgraphs.
 * @param {any} node
 * @param {string} input
 * @returns {{file: string, connected: boolean}}
 */
export function sourceFile(node, input) {
  let slot = node.inputs?.findIndex(({ name }) => name === input) ?? -1
  let connected = false
  for (let hops = 0; hops < 100 && node && slot >= 0; hops++) {
    const link = node.graph?.getLink?.(node.inputs[slot]?.link)
    if (!link) break
    connected = true
    let origin = node.graph.getNodeById(link.origin_id)
    let output = link.origin_slot
    if (!origin) {
      // the input side of a subgraph: go on from the node that stands for it
      origin = holderOf(node.graph)
      ;[node, slot] = [origin, output]
      continue
    }
    while (origin.subgraph && origin.mode !== BYPASSED) {
      const inner = origin.subgraph.outputNode?.slots?.[output]?.getLinks?.()[0]
      const next = inner && origin.subgraph.getNodeById(inner.origin_id)
      if (!next) return { file: "", connected }
      ;[origin, output] = [next, inner.origin_slot]
    }
    if (origin.mode === MUTED) break
    if (origin.mode === BYPASSED || origin.type === "Reroute") {
      const type = origin.outputs[output]?.type
      slot = origin.inputs.findIndex((other) => origin.type === "Reroute" || other.type === type)
      node = origin
      continue
    }
    const isLoader = !origin.inputs?.some((other) => !settledAt(origin, other))
    const file =
      isLoader &&
      FILE_WIDGETS.map((name) => valueOf(origin, name)).find((value) => typeof value === "string" && value)
    return { file: file || "", connected }
  }
  return { file: "", connected }
}

/**
 * Where an input without a link gets its value: here, or at the node of a subgraph that shows the input outside.
 * @param {any} node @param {any} input
 * @returns {{node: any, input: any} | null} null when another node sends the value
 */
function settledAt(node, input) {
  const link = input.link != null && node.graph?.getLink?.(input.link)
  if (!link) return { node, input }
  const holder = !node.graph.getNodeById(link.origin_id) && holderOf(node.graph)
  return holder ? settledAt(holder, holder.inputs[link.origin_slot]) : null
}

/** The value of a widget that no other node sends, where it can be changed. @param {any} node @param {string} name */
function valueOf(node, name) {
  const input = node.inputs?.find(({ widget }) => widget?.name === name)
  const at = input ? settledAt(node, input) : { node, input }
  return widgetOf(at.node, at.input?.widget?.name ?? name)?.value
}

/**
 * Where the server runs a node: ids from the outermost graph inwards, joined by ":", and the id of the workflow.
 * @param {any} node
 * @returns {{node: string, workflow: string} | null} null when it is in none that is open
 */
export function placeOf(node) {
  const ids = [node.id]
  for (let { graph } = node; graph !== app.rootGraph;) {
    const holder = graph && holderOf(graph)
    if (!holder) return null
    ids.unshift(holder.id)
    graph = holder.graph
  }
  return { node: ids.join(":"), workflow: String(app.rootGraph.id) }
}

/** Where the page finds a file of the server's. @param {object} file filename, subfolder and type */
export const viewUrl = (file) => api.apiURL(`/view?${new URLSearchParams(/** @type {any} */ (file))}`)

/** The node that stands for a subgraph. @param {any} graph */
const holderOf = (graph) => allNodes(app.rootGraph).find((other) => other.subgraph === graph)

/** Of a graph and the subgraphs in it. @returns {any[]} */
function allNodes(graph) {
  return graph.nodes.flatMap((node) => [node, ...(node.subgraph ? allNodes(node.subgraph) : [])])
}

/**
 * Tell which file an input gets, now and whenever that changes; what the node itself showed of its last run stands in
 * where no loader sends it.
 * @param {import("./scope.mjs").Scope} scope
 * @param {any} node
 * @param {(source: {file: string, connected: boolean}) => void} told
 */
export function watchSource(scope, node, told) {
  let shown = ""
  let result = ""
  const look = () => {
    if (!node.graph) return
    const source = sourceFile(node, "source")
    source.file ||= source.connected ? result : ""
    const now = JSON.stringify(source)
    if (now !== shown) told(source)
    shown = now
  }
  const onExecuted = node.onExecuted
  node.onExecuted = function (output) {
    onExecuted?.apply(this, arguments)
    result = output?.animal_source?.[0] ?? result
    look()
  }
  scope.every(LOOK, look)
}
