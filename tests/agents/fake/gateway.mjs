// What runs in a container as long as it lives: loaded by its main process alone, as no command needs it.
export { serve } from "./server.mjs";
export { listen } from "./telegram.mjs";
