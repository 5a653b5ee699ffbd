// @ts-check
// The training dashboard on its node; it holds no value.
import { api } from "../../../scripts/api.js"
import { LOOK, ask, ownType, placeOf, viewUrl } from "./host.mjs"
import { Scope } from "./scope.mjs"
import { TrainingDashboard } from "./training.mjs"

const EVENT = "animal_lipsync.training"
const SMALLEST = 320
const ROOMY = [480, 760]

/** @type {Set<(event: any) => void>} */
const dashboards = new Set()

// at once, and also while no node here shows a training: the page complains of events that nobody listens to
api.addEventListener(EVENT, ({ detail }) => dashboards.forEach((receive) => receive(detail)))

/** @param {any} node */
export function addTrainingWidget(node) {
  const scope = new Scope()
  const element = document.createElement("div")
  let shown = "{}"
  const dashboard = new TrainingDashboard(element, {
    stop: async () => void (await ask("stop_training", JSON.parse(shown))),
    viewOf: viewUrl,
  })
  /** Events told that an answer under way may not know of yet. */
  let told = 0
  /** All of it, as it is when a page is loaded, a workflow opened or a server reached again. */
  async function catchUp({ type = "" } = {}) {
    const [now, before] = [shown, told]
    const answer = await api.fetchApi(`/animal_lipsync/training?${new URLSearchParams(JSON.parse(now))}`)
    if (!answer.ok || now !== shown || scope.disposed) return
    const history = await answer.json()
    if (told !== before) return catchUp()
    const isLost = type === "reconnected" && dashboard.isRunning && !history.start
    if (isLost) dashboard.receive({ kind: "end", reason: "lost" })
    else dashboard.history = history
  }
  scope.every(LOOK, () => {
    const place = JSON.stringify(placeOf(node) ?? {})
    if (place === shown) return
    shown = place
    catchUp()
  })
  scope.listen(api, "reconnected", catchUp)
  const receive = (/** @type {any} */ event) => {
    const { node: id, workflow } = JSON.parse(shown)
    if (event.node !== id || (event.workflow && event.workflow !== workflow)) return
    dashboard.receive(event)
    if (event.kind !== "step") told++
    if (event.kind === "start") catchUp() // what a training that is resumed did before
  }
  dashboards.add(receive)
  scope.onDispose(() => dashboards.delete(receive))

  const widget = node.addDOMWidget("training", ownType("ANIMAL_TRAINING"), element, {
    getMinHeight: () => SMALLEST,
    hideOnZoom: false,
    serialize: false,
  })
  widget.serialize = false
  const { onRemove } = widget
  widget.onRemove = function () {
    scope.dispose()
    dashboard.dispose()
    onRemove?.apply(this, arguments)
  }
  node.setSize([Math.max(node.size[0], ROOMY[0]), Math.max(node.size[1], ROOMY[1])])
}
