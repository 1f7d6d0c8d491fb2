import type { Asked } from "../api/queries.js";
import type { ClusterView } from "../api/types.js";
import { useHashPath, useHashSearch } from "../lib/hash-location.js";
import styles from "./top-bar.module.css";

/** Another node's page, with the same state behind the `#`. */
export function useNodeLinks(cluster: Asked<ClusterView>): { self: string; others: { id: string; href: string }[] } {
  const [path] = useHashPath();
  const search = useHashSearch();
  const { data } = cluster;
  const self = data?.servedBy ?? "";
  const place = `#${path}${search === "" ? "" : `?${search}`}`;
  const others = (data?.body.nodes ?? [])
    .filter(({ id }) => id !== self)
    .map(({ id, address }) => ({ id, href: `${address.replace(/\/$/, "")}/${place}` }));
  return { self, others };
}

export function NodeSwitcher({ cluster }: { readonly cluster: Asked<ClusterView> }) {
  const { self, others } = useNodeLinks(cluster);
  if (self === "") return null;
  const all = [{ id: self, href: null }, ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
  return (
    <nav className={styles.switcher} aria-label="Served by">
      <ul>
        {all.map(({ id, href }) => (
          <li key={id}>{href === null ? <strong aria-current="true">{id}</strong> : <a href={href}>{id}</a>}</li>
        ))}
      </ul>
    </nav>
  );
}
