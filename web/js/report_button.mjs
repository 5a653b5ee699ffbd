// @ts-check
// Prepare Pet Clips' button that opens the report of its dataset.
import { reportUrl, widgetOf } from "./host.mjs"
import { WORDS } from "./words.mjs"

/** @param {any} node */
export function addReportButton(node) {
  const open = () => window.open(reportUrl(widgetOf(node, "name").value), "_blank", "noopener")
  const widget = node.addWidget("button", "open_report", null, open, { serialize: false })
  widget.label = WORDS.report.open
  widget.serialize = false
}
