import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Addresses are relative, so that the page works under any path; files have hashed names and are never inlined. */
export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: "es2023",
    modulePreload: { polyfill: false },
    // What the first load has is measured by `npm run bench:dashboard`, compressed.
    chunkSizeWarningLimit: 600,
  },
});
