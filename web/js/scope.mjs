// @ts-check

/** What an editor listens to and has running; `dispose` ends all of it at once. */
export class Scope {
  #ended = new AbortController()

  get disposed() {
    return this.#ended.signal.aborted
  }

  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: any) => void} handler
   * @param {AddEventListenerOptions} [options]
   */
  listen(target, type, handler, options = {}) {
    target.addEventListener(type, handler, { ...options, signal: this.#ended.signal })
  }

  /** @param {() => void} cleanup run once, on `dispose` */
  onDispose(cleanup) {
    this.#ended.signal.addEventListener("abort", cleanup, { once: true })
  }

  /**
   * Call `work` every so often.
   * @param {number} milliseconds
   * @param {() => void} work
   */
  every(milliseconds, work) {
    const timer = setInterval(work, milliseconds)
    this.onDispose(() => clearInterval(timer))
  }

  /**
   * A function that has `draw` called once before the next picture of the screen, however often it is called itself.
   * @param {() => void} draw
   */
  onNextFrame(draw) {
    let request = 0
    this.onDispose(() => cancelAnimationFrame(request))
    return () => {
      request ||= this.disposed ? 0 : requestAnimationFrame(() => ((request = 0), draw()))
    }
  }

  dispose() {
    this.#ended.abort()
  }
}
