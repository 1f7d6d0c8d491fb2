import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../node/config.js";
import { CONFIG_NAMES } from "../../node/host/environment.js";
import { projectRoot } from "../../scripts/lib/project.js";

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
}

const SECRET = "a secret for the compose file, 32 characters and more";
const read = (name: string): string => readFileSync(join(projectRoot(), name), "utf8");
const compose = parse(read("docker-compose.cluster.yml"), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const nodes = Object.entries(compose.services).filter(([, service]) => service.image === "quorumlog:local");

/** What Docker Compose does with `${CLUSTER_SECRET:?…}`. */
const substituted = (environment: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, value.replace(/\$\{CLUSTER_SECRET:\?[^}]+\}/, SECRET)]),
  );

describe("docker-compose.cluster.yml", () => {
  it("has three nodes with one member list and a secret that must be given", () => {
    expect(nodes.map(([name]) => name)).toEqual(["n1", "n2", "n3"]);
    expect(new Set(nodes.map(([, { environment }]) => environment?.MEMBERS)).size).toBe(1);
    for (const [, { environment }] of nodes) expect(environment?.CLUSTER_SECRET).toMatch(/^\$\{CLUSTER_SECRET:\?.+\}$/);
  });

  it.each(nodes)(
    "gives %s an environment that the configuration accepts, name by name and as a whole",
    (id, service) => {
      const environment = substituted(service.environment);
      for (const name of Object.keys(environment)) expect(CONFIG_NAMES).toContain(name);
      const result = loadConfig(environment);
      if (!result.ok) throw new Error(result.report);
      const { config, warnings } = result;
      expect(config).toMatchObject({ nodeId: id, clusterSecret: SECRET, initiatesReplicaSet: true });
      // The members' addresses are names and ports inside the compose network.
      expect(config.self.address).toBe(`http://${id}:${config.port}`);
      expect(warnings.filter((warning) => !warning.startsWith("HOST="))).toEqual([]);
    },
  );

  it.each(nodes)("keeps %s on this machine, with a database and two volumes of its own", (id, service) => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:300\d:3000$/);
    const mongo = new URL(service.environment?.MONGODB_URI ?? "").hostname;
    expect(mongo).toBe(id.replace("n", "mongo"));
    expect(compose.services[mongo]).toMatchObject({ image: "mongo:7.0", volumes: [`${mongo}-data:/data/db`] });
    expect(compose.services[mongo]?.command).toContain("--replSet");
    expect(compose.services[mongo]?.ports).toBeUndefined();
    expect(service.volumes).toEqual([`${id}-data:/data`]);
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining([`${id}-data`, `${mongo}-data`]));
  });
});

describe(".env.example", () => {
  it("names everything that can be set, and is accepted as it is and with every example in force", () => {
    const text = read(".env.example");
    const names = [...text.matchAll(/^#([A-Z_]+)=/gm)].map((match) => match[1]);
    const plain = CONFIG_NAMES.filter((name) => !name.endsWith("_FILE"));
    expect([...names].sort()).toEqual([...plain].sort());
    const inForce = text
      .replaceAll(/^#(?=[A-Z_]+=)/gm, "")
      .replace("ALERT_WEBHOOK_SECRET=", `ALERT_WEBHOOK_SECRET=${Buffer.alloc(32, 1).toString("base64")}`)
      .replace("CLUSTER_SECRET=", `CLUSTER_SECRET="${SECRET}"`);
    for (const dotenv of [text, inForce])
      expect(loadConfig({ MONGODB_URI: "mongodb://localhost/x" }, dotenv)).toMatchObject({ ok: true });
  });
});
