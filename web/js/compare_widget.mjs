// @ts-check
// The comparison on its node; it holds no value.
import { Compare } from "./compare.mjs"
import { ownType, viewUrl } from "./host.mjs"

const SMALLEST = 280
const ROOMY = [460, 520]

/** @param {any} node */
export function addCompareWidget(node) {
  const element = document.createElement("div")
  const compare = new Compare(element)
  const widget = node.addDOMWidget("comparison", ownType("ANIMAL_COMPARE"), element, {
    getMinHeight: () => SMALLEST,
    hideOnZoom: false,
    serialize: false,
  })
  widget.serialize = false
  const { onExecuted } = node
  node.onExecuted = function (/** @type {any} */ output) {
    onExecuted?.apply(this, arguments)
    compare.show((output?.compared ?? []).map(viewUrl))
  }
  const { onRemove } = widget
  widget.onRemove = function () {
    compare.dispose()
    onRemove?.apply(this, arguments)
  }
  node.setSize([Math.max(node.size[0], ROOMY[0]), Math.max(node.size[1], ROOMY[1])])
}
