// @ts-check
// How a training goes: its losses as they fall, how fast it is, its newest preview. Knows nothing of ComfyUI.
import { button, contextOf, element, keepPointer, press } from "./dom.mjs"
import { Scope } from "./scope.mjs"
import { addStyle, followTheme, themeOf } from "./theme.mjs"
import { toggleLargeView } from "./tools.mjs"
import * as curve from "./training_curve.mjs"
import { colourOf, drawChart } from "./training_draw.mjs"
import * as layout from "./training_layout.mjs"
import { WORDS, fill } from "./words.mjs"

/** @typedef {import("./training_curve.mjs").Row} Row */
/** @typedef {import("./training_layout.mjs").View} View */
/**
 * @typedef {object} Options
 * @property {() => Promise<void>} stop ask the training to end and keep what it has
 * @property {(file: object) => string} viewOf where the page finds a file of the server's
 */
/**
 * @typedef {{kind: string, [field: string]: any}} Event as nodes/dashboard.py tells it; an end may also be for the reason
 * "lost", when the server knows nothing of it any more
 */

const FACTS = ["step", "speed", "left", "memory", "rate"]
const SETTLING = 0.1 // of a new step in the pace that is shown
const FAR = 10 // rows of one press of an arrow key with Shift

export class TrainingDashboard {
  #scope = new Scope()
  #options
  #words = WORDS.training
  #parts
  #theme
  #redraw
  /** @type {Row[]} */
  #rows = []
  /** @type {Record<string, any>} the last event of each kind */
  #events = {}
  /** Seconds that a step takes, of late. */
  #pace = NaN
  #isStopping = false
  #trouble = ""
  /** @type {View | null} null shows all of it */
  #view = null
  #cursor = -1
  /** @type {Set<string>} losses that are not drawn */
  #hidden = new Set()

  /** @param {HTMLElement} root an empty one @param {Options} options */
  constructor(root, options) {
    addStyle(new URL("training.css", import.meta.url).href)
    this.element = root
    this.#options = options
    this.#parts = this.#build()
    this.#theme = themeOf(root)
    this.#redraw = this.#scope.onNextFrame(() => this.#draw())
    this.#connect()
    this.#refresh()
  }

  dispose() {
    this.#scope.dispose()
  }

  /** What the server knows of the newest training. @param {any} history {} for nothing */
  set history({ curve: columns, stopping, ...events }) {
    this.#events = events
    this.#rows = columns ? curve.rowsOf(columns) : []
    this.#pace = 1 / (events.step?.steps_per_second ?? NaN)
    this.#isStopping = Boolean(stopping)
    this.#trouble = ""
    this.#refresh()
  }

  /** Something happened. @param {Event} event */
  receive(event) {
    const { kind } = event
    const isFirst = kind === "step" && !this.#events.step
    if (kind === "start") this.history = { start: event }
    else if (kind === "stopping") this.#isStopping = true
    else this.#events[kind] = event
    if (kind !== "step") return this.#refresh()
    this.#rows = curve.addRow(this.#rows, /** @type {any} */ (event))
    const seconds = 1 / event.steps_per_second
    this.#pace = Number.isFinite(this.#pace) ? SETTLING * seconds + (1 - SETTLING) * this.#pace : seconds
    if (isFirst) this.#refresh()
    else this.#showSteps()
  }

  get isRunning() {
    return Boolean(this.#events.start) && !this.#events.end
  }

  /** Losses there are, the total first. */
  get #names() {
    const named = new Set([
      "total",
      ...(this.#events.start?.parts ?? []),
      ...Object.keys(this.#rows.at(-1)?.losses ?? {}),
    ])
    return [...named].filter((name) => this.#rows.some((row) => name in row.losses))
  }

  get #lastStep() {
    return this.#rows.at(-1)?.step ?? 0
  }

  get #shown() {
    return layout.within(this.#view ?? { from: 0, to: this.#lastStep }, this.#lastStep)
  }

  // what is shown

  #refresh() {
    const { state, stop, preview, image, caption, notice, progress, facts } = this.#parts
    const isRunning = this.isRunning
    const text = this.#describe()
    if (state.textContent !== text) state.textContent = text
    const hasFailed = ["failed", "lost"].includes(this.#events.end?.reason)
    state.classList.toggle("failed", hasFailed || Boolean(this.#trouble))
    stop.hidden = !isRunning
    stop.disabled = this.#isStopping
    for (const part of [progress, facts]) part.hidden = !this.#events.start
    const shown = this.#events.preview
    preview.hidden = !shown
    if (shown) {
      const url = this.#options.viewOf(shown.file)
      if (image.getAttribute("src") !== url) image.src = url
      caption.textContent = image.alt = fill(this.#words.preview, { step: shown.step.toLocaleString() })
    }
    notice.hidden = Boolean(this.#rows.length)
    notice.textContent = this.#events.start ? "" : this.#words.none
    this.#showSteps()
  }

  #describe() {
    const [words, { start, step, end }] = [this.#words, this.#events]
    if (this.#trouble) return this.#trouble
    if (!start) return ""
    const about = { output: start.output ?? "", step: (end?.step ?? 0).toLocaleString() }
    if (end) {
      const next = end.reason === "cancelled" && step ? fill(step.kept ? words.goesOn : words.anew, step) : end.message
      return `${fill(words[end.reason] ?? end.reason, about)} ${next ?? ""}`.trim()
    }
    if (this.#isStopping) return words.stopping
    return fill(step ? words.running : words.preparing, about)
  }

  #showSteps() {
    const { facts, progress } = this.#parts
    const { start = {}, step = {} } = this.#events
    const done = this.#lastStep || this.#events.end?.step || 0
    progress.max = start.steps || 1
    progress.value = done
    const isRunning = this.isRunning
    const texts = [
      `${done.toLocaleString()} / ${(start.steps ?? 0).toLocaleString()}`,
      isRunning ? curve.formatNumber(1 / this.#pace) : "–",
      isRunning ? curve.formatDuration(Math.max(0, start.steps - done) * this.#pace) : "–",
      curve.formatMemory(step.memory),
      curve.formatNumber(step.learning_rate),
    ]
    for (const [i, fact] of [...facts.querySelectorAll("dd")].entries()) fact.textContent = texts[i]
    this.#showLegend()
    this.#redraw()
  }

  /** A button for each loss, with its value where one looks, or now. */
  #showLegend() {
    const { losses } = this.#parts
    const names = this.#names
    const row = this.#rows[this.#cursor] ?? this.#rows.at(-1)
    if (names.join() !== losses.dataset.names) {
      losses.dataset.names = names.join()
      losses.replaceChildren(...names.map((name) => this.#lossButton(name)))
    }
    names.forEach((name, index) => {
      const choice = /** @type {HTMLElement} */ (losses.children[index])
      press(choice, !this.#hidden.has(name))
      choice.style.setProperty("--colour", colourOf(index, this.#theme))
      const value = /** @type {HTMLElement} */ (choice.lastElementChild)
      value.textContent = curve.formatNumber(row?.losses[name])
    })
  }

  /** @param {string} name */
  #lossButton(name) {
    const label = this.#words[`loss_${name}`] ?? name.replaceAll("_", " ")
    const choice = element("button", { type: "button", class: "loss" }, element("i"), label, element("b"))
    choice.onclick = () => {
      if (!this.#hidden.delete(name)) this.#hidden.add(name)
      this.#showSteps()
    }
    return choice
  }

  #draw() {
    const { chart, at, log, smoothing } = this.#parts
    const { clientWidth: width, clientHeight: height } = chart
    if (!width || !height) return
    const density = devicePixelRatio * Math.min(2, Math.max(1, chart.getBoundingClientRect().width / width))
    const weight = smoothing.valueAsNumber
    const curves = this.#names
      .map((name, index) => ({
        name,
        colour: colourOf(index, this.#theme),
        values: curve.smoothed(this.#rows, name, weight),
      }))
      .filter(({ name }) => !this.#hidden.has(name))
      .reverse() // the total over its parts
    const [view, isLog] = [this.#shown, log.ariaPressed === "true"]
    const scale = layout.scaleOf(
      this.#rows,
      curves.map(({ values }) => values),
      view,
      isLog,
    )
    const scene = { area: layout.areaOf(width, height), view, scale, rows: this.#rows, curves, cursor: this.#cursor }
    drawChart(contextOf(chart, width, height, density), scene, this.#theme)
    const row = this.#rows[this.#cursor]
    at.hidden = !row
    if (row) at.textContent = fill(this.#words.at, { step: row.step.toLocaleString() })
    const { step = 0, losses = {} } = row ?? this.#rows.at(-1) ?? {}
    const spoken = Object.entries(losses).map(([name, loss]) => `${name} ${curve.formatNumber(loss)}`)
    chart.ariaValueMax = String(this.#lastStep)
    chart.ariaValueNow = String(step)
    chart.ariaValueText = [fill(this.#words.at, { step }), ...spoken].join(", ")
  }

  // what the artist does

  #connect() {
    const [scope, { chart, stop, log, smoothing, expand }] = [this.#scope, this.#parts]
    scope.listen(stop, "click", () => this.#stop())
    scope.listen(expand, "click", () => toggleLargeView(scope, this.element, this.#words.title))
    scope.listen(log, "click", () => {
      press(log, log.ariaPressed !== "true")
      this.#redraw()
    })
    scope.listen(smoothing, "input", () => this.#redraw())
    scope.listen(chart, "pointermove", (event) => this.#point(event))
    scope.listen(chart, "pointerdown", (event) => this.#press(event))
    scope.listen(chart, "pointerleave", () => this.#look(-1))
    scope.listen(chart, "dblclick", () => this.#show(null))
    scope.listen(chart, "keydown", (event) => this.#type(event))
    scope.listen(chart, "wheel", (event) => this.#wheel(event), { passive: false })
    keepPointer(scope, this.element)
    const sizes = new ResizeObserver(() => this.#redraw())
    sizes.observe(chart)
    scope.onDispose(() => sizes.disconnect())
    followTheme(scope, this.element, (theme) => {
      this.#theme = theme
      this.#showSteps()
    })
  }

  async #stop() {
    try {
      await this.#options.stop()
      this.#isStopping = true
      this.#trouble = ""
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error)
    }
    this.#refresh()
  }

  /** @param {MouseEvent} event */
  #stepAt({ clientX }) {
    const { chart } = this.#parts
    const box = chart.getBoundingClientRect()
    const x = ((clientX - box.left) / box.width) * chart.clientWidth
    return layout.xToStep(layout.areaOf(chart.clientWidth, chart.clientHeight), this.#shown, x)
  }

  /** @param {PointerEvent} event */
  #point(event) {
    this.#look(curve.nearestRow(this.#rows, this.#stepAt(event)))
  }

  /** @param {number} row */
  #look(row) {
    this.#cursor = Math.min(row, this.#rows.length - 1)
    this.#showLegend()
    this.#redraw()
  }

  /** @param {View | null} view */
  #show(view) {
    this.#view = view && view.to - view.from < this.#lastStep ? view : null
    this.#redraw()
  }

  /** Drag what is magnified. @param {PointerEvent} event */
  #press(event) {
    const { chart } = this.#parts
    chart.focus({ preventScroll: true })
    if (event.button || !this.#view) return
    const gesture = new Scope()
    const held = this.#stepAt(event)
    chart.setPointerCapture(event.pointerId)
    gesture.listen(chart, "pointermove", (now) => {
      const by = held - this.#stepAt(now)
      const { from, to } = this.#shown
      this.#show(layout.within({ from: from + by, to: to + by }, this.#lastStep))
    })
    for (const type of ["pointerup", "pointercancel"]) gesture.listen(chart, type, () => gesture.dispose())
  }

  /** @param {WheelEvent} event the graph's, until the chart was clicked */
  #wheel(event) {
    if (document.activeElement !== this.#parts.chart) return
    event.preventDefault()
    event.stopPropagation()
    this.#show(layout.zoom(this.#shown, Math.exp(-event.deltaY / 400), this.#stepAt(event), this.#lastStep))
  }

  /** @param {KeyboardEvent} event */
  #type(event) {
    const { key, shiftKey } = event
    const [last, by] = [this.#rows.length - 1, shiftKey ? FAR : 1]
    const cursor = this.#cursor < 0 ? last : this.#cursor
    const zoom = (/** @type {number} */ factor) => {
      const step = this.#rows[cursor]?.step ?? 0
      this.#show(layout.zoom(this.#shown, factor, step, this.#lastStep))
    }
    /** @type {(() => void) | undefined} */
    const work = {
      ArrowLeft: () => this.#look(Math.max(0, cursor - by)),
      ArrowRight: () => this.#look(Math.min(last, cursor + by)),
      Home: () => this.#look(Math.min(0, last)),
      End: () => this.#look(last),
      "+": () => zoom(1.5),
      "=": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
      0: () => this.#show(null),
      Escape: () => this.#look(-1),
    }[key]
    if (!work) return
    event.preventDefault()
    event.stopPropagation()
    work()
  }

  #build() {
    const words = this.#words
    const state = element("div", { class: "state", role: "status" })
    const expand = button("⤢", words.expand, { class: "expand" })
    const stop = element("button", { type: "button", class: "als-primary", title: words.stopHelp }, words.stop)
    const progress = element("progress", { "aria-label": words.title })
    const facts = element("dl", { class: "facts" })
    facts.append(...FACTS.map((name) => element("div", {}, element("dt", {}, words[name]), element("dd"))))
    const chart = element("canvas", { tabindex: 0, role: "slider", "aria-label": words.chart, "aria-valuemin": 0 })
    chart.setAttribute("aria-description", words.chartHelp)
    chart.title = words.chartHelp
    const at = element("output", { class: "at" })
    const notice = element("div", { class: "notice" })
    const stage = element("div", { class: "stage", "data-capture-wheel": true }, chart, at, notice)
    const losses = element("div", { class: "losses", role: "group", "aria-label": words.losses })
    const log = element("button", { type: "button", "aria-pressed": "false", title: words.logHelp }, words.log)
    const smoothing = element("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0.6 })
    const smooth = element("label", { title: words.smoothingHelp }, words.smoothing, smoothing)
    const image = element("img", { alt: "" })
    const caption = element("figcaption")
    const preview = element("figure", { hidden: "" }, image, caption)
    this.element.classList.add("als-panel", "als-training")
    const bar = element("div", { class: "bar" }, state, stop, expand)
    const legend = element("div", { class: "bar" }, losses, log, smooth)
    this.element.append(bar, progress, facts, stage, legend, preview)
    return { state, expand, stop, progress, facts, chart, at, notice, losses, log, smoothing, image, caption, preview }
  }
}
