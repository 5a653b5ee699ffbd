// What ComfyUI serves beside a pack's files.
declare module "*/scripts/api.js" {
  export const api: any
}
declare module "*/scripts/app.js" {
  export const app: any
}
