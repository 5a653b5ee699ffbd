// @ts-check
// The viseme editor: voice, mouth shapes and curves over time, to change by hand. Knows nothing of ComfyUI.
import { contextOf, keepPointer, press } from "./dom.mjs"
import { Scope } from "./scope.mjs"
import { followTheme, themeOf } from "./theme.mjs"
import { describeSelection } from "./timeline_advice.mjs"
import { clamp, cueAt } from "./timeline_cues.mjs"
import { drawOverlay, drawScene, drawShape, mouthColours } from "./timeline_draw.mjs"
import * as layout from "./timeline_layout.mjs"
import { poseOf } from "./timeline_motion.mjs"
import { drawMouth } from "./timeline_mouth.mjs"
import { build, ICON, MOUTH } from "./timeline_parts.mjs"
import { decode, MissingFile, Player } from "./timeline_player.mjs"
import { TimelinePointer } from "./timeline_pointer.mjs"
import { TimelineState } from "./timeline_state.mjs"
import { fill, WORDS } from "./words.mjs"

/** @typedef {import("./timeline_state.mjs").Voice} Voice */
/** @typedef {import("./timeline_layout.mjs").View} View */
/**
 * @typedef {object} Options
 * @property {() => void} onChange the value is another one
 * @property {() => Promise<Voice>} listen ask the server what the voice of `setSource` says
 * @property {() => number} frameRate
 */
/** @typedef {{url: string, problem: string, canListen: boolean}} Source `problem` says why there is no url */

const READABLE = 140 // pixels per second
const AROUND = 0.3 // seconds beside the selected shapes that play in their loop

export class Timeline {
  #scope = new Scope()
  #options
  parts
  player
  redraw
  #theme
  state
  /** @type {Source} */
  #source = { url: "", problem: "", canListen: false }
  #loading = new AbortController()
  /** @type {import("./timeline_layout.mjs").Peaks[]} */
  #zooms = []
  #busy = ""
  #trouble = ""
  #said = ""
  /** @type {View} */
  view = { start: 0, scale: 100, width: 500 }
  /** @type {View | null} */
  #drawnView = null
  height = 200
  #isStale = true
  /** @type {{start: number, end: number} | null} seconds chosen on the waveform */
  span = null
  #loops = false
  /** @type {string | null} */
  #hoveredShape = null
  #words = WORDS.timeline
  #pointer

  /** @param {HTMLElement} element an empty one @param {Options} options */
  constructor(element, options) {
    this.element = element
    this.#options = options
    this.parts = build(element)
    this.#theme = themeOf(element)
    this.state = new TimelineState(options.frameRate, () => {
      this.refresh()
      options.onChange()
    })
    this.redraw = this.#scope.onNextFrame(() => this.#draw())
    this.player = new Player(this.#scope, () => this.refresh())
    this.#pointer = new TimelinePointer(this.#scope, this)
    this.#connect()
    this.refresh()
  }

  dispose() {
    this.#loading.abort()
    this.#scope.dispose()
  }

  get value() {
    return this.state.value
  }

  /** Anything a file may hold; what cannot be read is kept as it is. @param {any} value */
  set value(value) {
    if (value === this.state.value) return
    this.state.value = value
    this.refresh()
    this.#listenToEdited()
  }

  /** The voice to show, as far as it is known before a run. @param {Source} source */
  async setSource(source) {
    this.#loading.abort()
    this.#loading = new AbortController()
    const { signal } = this.#loading
    this.#source = source
    this.#trouble = source.problem
    this.#busy = source.url ? this.#words.opening : ""
    this.#zooms = []
    this.span = null
    this.#setVoice(source.url ? this.state.duration : this.state.lastEdit, null)
    this.player.load(source.url)
    if (!source.url) return
    try {
      const { duration, peaks } = await decode(source.url, signal)
      if (signal.aborted) return
      this.#busy = ""
      this.#zooms = layout.zoomsOf(peaks)
      this.#setVoice(duration, this.state.voice)
      this.#listenToEdited()
    } catch (error) {
      if (signal.aborted) return
      this.#busy = ""
      if (error instanceof MissingFile) this.#trouble = this.#words.missing
      else if (source.canListen) return this.#listen()
      else this.#trouble = this.#words.noSound
      this.refresh()
    }
  }

  /**
   * What the server heard; its length and peaks serve where the browser has none.
   * @param {Voice} voice
   * @param {string} url of its sound, "" where the source has it
   */
  setVoice(voice, url = "") {
    this.#trouble = this.#busy = ""
    if (url) {
      this.#loading.abort()
      this.player.load(url)
    }
    if (url || !this.#zooms.length) {
      this.#zooms = layout.zoomsOf({ rate: voice.peaks.rate, values: Uint8Array.from(voice.peaks.values) })
    }
    this.#setVoice(voice.duration, voice)
  }

  /** Draw at once, for benchmarks. */
  drawNow() {
    this.#isStale = true
    this.#draw()
  }

  /** @param {Partial<View>} view */
  look(view) {
    this.#setView({ ...this.view, ...view })
  }

  /** @param {number} duration @param {Voice | null} voice */
  #setVoice(duration, voice) {
    const isNew = duration !== this.state.duration
    this.state.setVoice(duration, voice)
    this.player.time = Math.min(this.player.time, duration)
    if (isNew) {
      const all = layout.fit(duration, this.view.width)
      this.view = layout.within({ ...all, scale: Math.max(all.scale, READABLE) }, duration)
    }
    this.refresh()
  }

  /** @param {View} view */
  #setView(view) {
    this.view = layout.within(view, this.state.duration)
    this.refresh()
  }

  async #listen() {
    const { signal } = this.#loading
    this.#busy = this.#words.listening
    this.#trouble = ""
    this.refresh()
    try {
      const voice = await this.#options.listen()
      if (!signal.aborted) this.setVoice(voice)
    } catch (error) {
      if (signal.aborted) return
      this.#busy = ""
      this.#trouble = error instanceof Error ? error.message : String(error)
      this.refresh()
    }
  }

  /** Edits are shown on what they change, without being asked. */
  #listenToEdited() {
    if (this.state.isEdited && this.#source.canListen && !this.state.voice && !this.#busy) this.#listen()
  }

  #play() {
    if (this.player.isPlaying) return this.player.pause()
    this.player.play()
    const follow = () => {
      if (!this.player.isPlaying || this.#scope.disposed) return
      this.view = layout.reveal(this.view, this.player.time, this.state.duration)
      this.#isStale ||= this.view !== this.#drawnView
      this.redraw()
      requestAnimationFrame(follow)
    }
    requestAnimationFrame(follow)
  }

  #loopSpan() {
    const { selected, cues, duration } = this.state
    if (this.span) return this.span
    if (!selected) return { start: 0, end: duration }
    const [start, end] = [cues[selected.first].start - AROUND, cues[selected.last].end + AROUND]
    return { start: Math.max(0, start), end: Math.min(duration, end) }
  }

  /** @param {number} time @param {boolean} heard */
  goTo(time, heard = false) {
    const at = clamp(time, 0, this.state.duration)
    if (heard) this.player.scrub(at)
    else this.player.time = at
    this.view = layout.reveal(this.view, at, this.state.duration)
    this.refresh()
  }

  /** @param {number} factor */
  #zoom(factor) {
    const x = layout.timeToX(this.view, this.player.time)
    this.#setView(layout.zoom(this.view, factor, clamp(x, 0, this.view.width), this.state.duration))
  }

  #bendHere() {
    const time = this.state.snap(this.player.time)
    this.state.setKey(time, this.state.rows.at(time)[this.state.channel])
  }

  /** @param {File} file */
  async #import(file) {
    const { name } = file
    try {
      const end = this.state.read(await file.text())
      const isLate = this.#zooms.length && end > this.state.duration + 0.1
      const late = isLate ? fill(this.#words.isLate, { time: layout.formatTime(this.state.duration) }) : ""
      this.#say(`${fill(this.#words.wasRead, { name })} ${late}`.trim())
    } catch (error) {
      this.#say(fill(this.#words.notRead, { name, problem: error instanceof Error ? error.message : error }))
    }
  }

  /** @param {string} form */
  #export(form) {
    const [name, text] = this.state.write(form)
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }))
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  // What is shown.

  refresh() {
    const [parts, state] = [this.parts, this.state]
    const { cues, selected, key } = state
    this.#isStale = true
    this.player.loop = this.#loops ? this.#loopSpan() : null
    this.#showNotice()
    parts.play.textContent = this.player.isPlaying ? `❚❚ ${this.#words.pause}` : `▶ ${this.#words.play}`
    parts.play.disabled = !this.#zooms.length
    press(parts.loop, this.#loops)
    press(parts.snap, state.snaps)
    parts.undo.disabled = !state.canUndo
    parts.redo.disabled = !state.canRedo
    parts.split.disabled = !cues.length
    parts.merge.disabled = !selected
    parts.remove.disabled = !selected && key < 0
    const shown = cues[selected ? selected.first : cueAt(cues, this.player.time)]
    for (const [viseme, button] of Object.entries(parts.shapes)) press(button, shown?.viseme === viseme)
    for (const option of parts.channels.options) {
      option.textContent = this.#words[option.value] + (state.edits.curves[option.value] ? " •" : "")
    }
    const status = describeSelection(state)
    if (status !== this.#said) this.#say(status)
    this.#said = status
    this.redraw()
  }

  /** @param {string} text */
  #say(text) {
    this.parts.status.textContent = this.parts.status.title = text
  }

  #showNotice() {
    const [{ notice }, state, words] = [this.parts, this.state, this.#words]
    /** @type {[string, () => void][]} */
    const buttons = []
    let text = this.#busy || this.#trouble
    if (state.unreadable) {
      text = fill(words.unreadable, { problem: state.unreadable })
      buttons.push([words.startOver, () => state.startOver()])
    } else if (!state.suits && !this.#busy) {
      text = words.otherVoice
      buttons.push([words.useHere, () => state.useHere()], [words.startOver, () => state.startOver()])
    } else if (!text && !state.voice && !state.cues.length) {
      if (this.#source.canListen) buttons.push([words.listen, () => this.#listen()])
      else if (this.#zooms.length) text = words.runToFind
    }
    const shown = JSON.stringify([text, buttons.map(([label]) => label)])
    if (notice.dataset.shown === shown) return
    notice.dataset.shown = shown
    notice.replaceChildren()
    if (text) notice.append(Object.assign(document.createElement("span"), { textContent: text }))
    for (const [textContent, onclick] of buttons) {
      const className = "als-primary"
      notice.append(
        Object.assign(document.createElement("button"), { type: "button", className, textContent, onclick }),
      )
    }
  }

  #draw() {
    const { lanes, overlay, mouth, time, channels } = this.parts
    const [{ clientWidth: width, clientHeight: height }, state] = [lanes, this.state]
    if (!width || !height) return
    if (width !== this.view.width || height !== this.height) {
      const wasWhole = this.view.scale <= layout.fit(state.duration, this.view.width).scale + 1e-6
      this.view = wasWhole ? layout.fit(state.duration, width) : layout.within({ ...this.view, width }, state.duration)
      this.height = height
      this.#isStale = true
    }
    const zoomed = lanes.getBoundingClientRect().width / width
    const density = devicePixelRatio * clamp(zoomed, 1, 2)
    const { channel, keys, key, cues, selected, rows } = state
    const scene = {
      view: this.view,
      lanes: this.lanes,
      height,
      duration: state.duration,
      zooms: this.#zooms,
      words: state.words,
      cues,
      selected,
      channel,
      heard: state.edits.cues || keys.length ? rows.heard[channel] : null,
      values: state.duration ? rows.values[channel] : null,
      keys,
      key,
      span: this.span ?? (this.#loops && selected ? this.#loopSpan() : null),
    }
    channels.style.top = `${scene.lanes.curve.top + 4}px`
    const playhead = this.player.time
    if (this.#isStale) drawScene(contextOf(lanes, width, height, density), scene, this.#theme)
    this.#isStale = false
    this.#drawnView = this.view
    drawOverlay(
      contextOf(overlay, width, height, density),
      scene,
      playhead,
      this.#pointer.ghost,
      this.#pointer.hover,
      this.#theme,
    )
    const face = contextOf(mouth, MOUTH, MOUTH, density)
    face.clearRect(0, 0, MOUTH, MOUTH)
    const pose = this.#hoveredShape ? poseOf(this.#hoveredShape) : rows.at(playhead)
    drawMouth(face, MOUTH, pose, mouthColours(this.#theme))
    time.now.textContent = layout.formatTime(playhead)
    time.end.textContent = ` / ${layout.formatTime(state.duration)}`
  }

  get lanes() {
    return layout.lanes(this.height, this.state.words.length > 0)
  }

  /** @param {import("./theme.mjs").Theme} theme */
  #showTheme(theme) {
    this.#theme = theme
    for (const [viseme, button] of Object.entries(this.parts.shapes)) {
      const context = contextOf(/** @type {HTMLCanvasElement} */ (button.firstChild), ICON, ICON, 2)
      context.clearRect(0, 0, ICON, ICON)
      drawShape(context, ICON, viseme, theme)
    }
    this.#isStale = true
    this.redraw()
  }

  // What the artist does.

  #connect() {
    const [scope, parts, state] = [this.#scope, this.parts, this.state]
    /** @type {[HTMLElement, () => void][]} */
    const clicks = [
      [parts.play, () => this.#play()],
      [parts.loop, () => (this.#loops = !this.#loops)],
      [parts.undo, () => state.undo()],
      [parts.redo, () => state.redo()],
      [parts.split, () => state.split(this.player.time)],
      [parts.merge, () => state.merge()],
      [parts.remove, () => state.remove()],
      [parts.snap, () => (state.snaps = !state.snaps)],
      [parts.import, () => parts.file.click()],
    ]
    for (const [viseme, button] of Object.entries(parts.shapes)) {
      clicks.push([button, () => state.choose(viseme, this.player.time)])
      scope.listen(button, "pointerenter", () => ((this.#hoveredShape = viseme), this.redraw()))
      scope.listen(button, "pointerleave", () => ((this.#hoveredShape = null), this.redraw()))
    }
    for (const [button, work] of clicks) {
      scope.listen(button, "click", ({ detail: clicked }) => {
        work()
        if (clicked) parts.lanes.focus({ preventScroll: true }) // the next key is meant for what was changed
        this.refresh()
      })
    }
    scope.listen(parts.file, "change", () => {
      if (parts.file.files?.[0]) this.#import(parts.file.files[0])
      parts.file.value = ""
    })
    scope.listen(parts.export, "change", () => {
      this.#export(parts.export.value)
      parts.export.value = ""
    })
    scope.listen(parts.channels, "change", () => {
      state.channel = parts.channels.value
      state.key = -1
      this.refresh()
    })
    scope.listen(this.element, "wheel", (event) => this.#wheel(event), { passive: false })
    scope.listen(this.element, "keydown", (event) => this.#type(event))
    keepPointer(scope, this.element)
    for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
      scope.listen(this.element, type, (event) => this.#dropFile(event))
    }
    const sizes = new ResizeObserver(() => ((this.#isStale = true), this.redraw()))
    sizes.observe(parts.lanes)
    scope.onDispose(() => sizes.disconnect())
    followTheme(scope, this.element, (theme) => this.#showTheme(theme))
  }

  /** @param {DragEvent} event */
  #dropFile(event) {
    if (!event.dataTransfer?.types.includes("Files")) return
    event.preventDefault()
    event.stopPropagation()
    this.element.classList.toggle("dropping", event.type === "dragenter" || event.type === "dragover")
    if (event.type === "drop" && event.dataTransfer.files[0]) this.#import(event.dataTransfer.files[0])
  }

  /** @param {WheelEvent} event the graph's, until the timeline was clicked */
  #wheel(event) {
    if (!this.element.contains(document.activeElement)) return
    event.preventDefault()
    event.stopPropagation()
    const [along, across] = event.shiftKey ? [event.deltaY || event.deltaX, 0] : [event.deltaX, event.deltaY]
    if (Math.abs(along) > Math.abs(across)) this.look({ start: this.view.start + along / this.view.scale })
    else this.#setView(layout.zoom(this.view, Math.exp(-across / 400), this.#pointer.at(event).x, this.state.duration))
  }

  /** @param {KeyboardEvent} event */
  #type(event) {
    const work = this.#workOf(event)
    if (!work) return
    event.preventDefault()
    event.stopPropagation()
    work()
    this.refresh()
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | undefined} */
  #workOf({ key, shiftKey, altKey, ctrlKey, metaKey, target }) {
    const state = this.state
    const pressed = key.length === 1 ? key.toLowerCase() : key
    if (ctrlKey || metaKey) {
      if (target !== this.parts.lanes) return undefined // the page's own undo hears it too, and does as well
      return { z: () => (shiftKey ? state.redo() : state.undo()), y: () => state.redo() }[pressed]
    }
    if (target instanceof HTMLSelectElement) return undefined
    if (target instanceof HTMLButtonElement && [" ", "Enter"].includes(key)) return undefined
    const frames = (shiftKey ? 10 : 1) * state.frame
    const nudge = (/** @type {number} */ seconds) => {
      if (!state.nudge(seconds, altKey)) this.goTo(this.player.time + seconds, true)
    }
    return {
      " ": () => this.#play(),
      ArrowLeft: () => nudge(-frames),
      ArrowRight: () => nudge(frames),
      ArrowUp: () => state.lift(shiftKey ? 10 : 1),
      ArrowDown: () => state.lift(shiftKey ? -10 : -1),
      Delete: () => state.remove(),
      Backspace: () => state.remove(),
      Home: () => this.goTo(0),
      End: () => this.goTo(state.duration),
      ",": () => this.goTo(state.step(-1, this.player.time)),
      ".": () => this.goTo(state.step(1, this.player.time)),
      "<": () => state.extend(-1),
      ">": () => state.extend(1),
      "+": () => this.#zoom(1.5),
      "=": () => this.#zoom(1.5),
      "-": () => this.#zoom(1 / 1.5),
      0: () => this.#setView(layout.fit(state.duration, this.view.width)),
      s: () => state.split(this.player.time),
      m: () => state.merge(),
      l: () => (this.#loops = !this.#loops),
      k: () => this.#bendHere(),
      Escape: () => this.#pointer.cancel() || (state.deselect(), (this.span = null)),
    }[pressed]
  }
}
