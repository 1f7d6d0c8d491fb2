import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import "./styles/tokens.css";
import "./styles/base.css";
import { makeQueryClient } from "./api/queries.js";
import { useHashPath, useHashSearch } from "./lib/hash-location.js";
import { applyTheme } from "./lib/theme.js";
import { Shell } from "./shell/shell.js";

applyTheme();
const root = document.getElementById("root");
if (root === null) throw new Error("The page has no root.");
// What a boundary has caught is told on the page.
createRoot(root, { onCaughtError: (error) => console.warn(error) }).render(
  <StrictMode>
    <QueryClientProvider client={makeQueryClient()}>
      <Router hook={useHashPath} searchHook={useHashSearch} hrefs={(href) => `#${href}`}>
        <Shell />
      </Router>
    </QueryClientProvider>
  </StrictMode>,
);
