// @ts-check
// A small animal's mouth, drawn from the values of its channels.

/** @typedef {Record<string, number>} Pose values of channels */
/** @typedef {{line: string, nose: string, inside: string, tongue: string}} MouthColours */

/** @type {MouthColours} */
export const MOUTH_COLOURS = { line: "#8a8f98", nose: "#4c4f56", inside: "#4a1f2b", tongue: "#e5788a" }

/**
 * Nose, lips and what is between them, in a square of `size` pixels.
 * @param {CanvasRenderingContext2D} context @param {number} size @param {Pose} pose @param {MouthColours} colours
 */
export function drawMouth(context, size, pose, colours = MOUTH_COLOURS) {
  const unit = size / 100
  const shut = 1 - pose.mouth_close
  const opening = 40 * pose.jaw_open * shut
  const half = 30 * (1 + 0.3 * pose.mouth_wide - 0.5 * pose.mouth_pucker)
  const lift = 5 * pose.mouth_wide - 3 * pose.mouth_pucker
  const [cornerY, seam] = [46 - lift, 45]
  const drop = seam + opening + 3
  context.save()
  context.translate(size / 2, 0)
  context.scale(unit, unit)
  context.lineCap = context.lineJoin = "round"

  const lips = new Path2D()
  lips.moveTo(-half, cornerY)
  lips.bezierCurveTo(-half * 0.8, seam + 7, -half * 0.25, seam + 7, 0, seam)
  lips.bezierCurveTo(half * 0.25, seam + 7, half * 0.8, seam + 7, half, cornerY)
  if (opening > 1) {
    const mouth = new Path2D(lips)
    const belly = drop + 0.34 * opening
    mouth.bezierCurveTo(half * 0.92, belly * 0.94, half * 0.5, belly, 0, belly)
    mouth.bezierCurveTo(-half * 0.5, belly, -half * 0.92, belly * 0.94, -half, cornerY)
    context.fillStyle = colours.inside
    context.fill(mouth)
    context.save()
    context.clip(mouth)
    context.fillStyle = colours.tongue
    context.beginPath()
    const tongue = belly - 0.3 * opening - 24 * pose.tongue_out
    context.ellipse(0, tongue + 0.42 * opening, half * 0.58, 0.42 * opening + 1, 0, 0, 2 * Math.PI)
    context.fill()
    context.restore()
    context.strokeStyle = colours.line
    context.lineWidth = 3.5
    context.stroke(mouth)
  }
  context.strokeStyle = colours.line
  context.lineWidth = 5 + 1.5 * pose.mouth_close
  context.stroke(lips)
  context.lineWidth = 4
  context.beginPath()
  context.moveTo(0, 26)
  context.lineTo(0, seam)
  context.stroke()

  context.fillStyle = colours.nose
  context.beginPath()
  context.moveTo(-15, 13)
  context.bezierCurveTo(-10, 8, 10, 8, 15, 13)
  context.bezierCurveTo(18, 18, 6, 28, 0, 28)
  context.bezierCurveTo(-6, 28, -18, 18, -15, 13)
  context.fill()
  context.restore()
}
