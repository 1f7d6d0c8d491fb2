import type { Logger } from "pino";
import type { Schedule } from "../../node/integrity/pass-schedule.js";
import { type KeptPlaces, NOWHERE, type Places } from "../../node/integrity/place-file.js";
import { WatchedReplica } from "../../node/integrity/watched-replica.js";
import type { ReplicaPorts } from "../../node/service/served-replica.js";
import type { NodeStorage } from "../../node/storage/open.js";
import type { SimIdentity } from "./identity.js";
import type { SimPeers } from "./peers.js";
import type { SimProcess } from "./process.js";

/** A pass over the whole log begins so often. */
const PASS_EVERY_MS = 15_000;
const WRITE_MS: readonly [number, number] = [1, 3];

/** The places of watch and scrub, outside of the database: they outlive it and the process. */
export interface PlacesRecord {
  readonly storeId: string;
  readonly places: Places;
}

type Ports = ReplicaPorts<SimPeers> & { readonly storage: NodeStorage; readonly identity: SimIdentity };

/** What the product puts around a replica to look after its database, on simulated time, places and passes. */
export function watchedReplica(process: SimProcess, ports: Ports): WatchedReplica<SimPeers> {
  const { config, version, storage, identity, signer, verifier, disk, logger, clock, connect, observer } = ports;
  const { limits, readLimits, log, verifyBlock } = ports;
  return new WatchedReplica<SimPeers>({
    ...{ version, storage, identity, signer, verifier, disk, clock, connect },
    config: { ...config, identityFolder: "", verifySchedule: "", keyFilterBytes: 0, webhook: null },
    logger: logger as Logger,
    switches: { hasIntegrity: true, hasWatch: true },
    onEffect: observer.onEffect,
    onFatal: observer.onFatal,
    instead: {
      ...{ observer, verifyBlock },
      ...(limits === undefined ? {} : { limits }),
      ...(readLimits === undefined ? {} : { readLimits }),
      ...(log === undefined ? {} : { log }),
      mayLead() {
        process.node.around.checkers.tampering.onMayLead(process);
        return ports.mayLead();
      },
      openPlaces: async (storeId) => new SimPlaces(process, storeId),
      schedule: (begin) => new SimSchedule(process, begin),
      notify: () => undefined,
    },
  });
}

class SimPlaces implements KeptPlaces {
  places: Places;

  constructor(
    private readonly process: SimProcess,
    private readonly storeId: string,
  ) {
    const { places } = process.node.disk;
    this.places = places?.storeId === storeId ? places.places : NOWHERE;
    process.node.around.checkers.tampering.onPlaces(process, this.places);
  }

  set(change: Partial<Places>): void {
    this.places = { ...this.places, ...change };
  }

  async write(): Promise<void> {
    const { process, storeId, places } = this;
    const ms = process.node.around.random.between(...WRITE_MS);
    await new Promise<void>((resolve) => {
      process.after(ms, resolve);
    });
    process.node.disk.places = { storeId, places };
  }
}

class SimSchedule implements Schedule {
  private cancel: () => void = () => undefined;
  nextRunAt: number | null = null;

  constructor(
    private readonly process: SimProcess,
    private readonly begin: () => void,
  ) {
    this.arm();
  }

  beginAnew(isMissed: boolean): void {
    this.cancel();
    this.arm();
    if (isMissed) this.begin();
  }

  async stop(): Promise<void> {
    this.cancel();
  }

  private arm(): void {
    this.nextRunAt = Date.parse(this.process.wall()) + PASS_EVERY_MS;
    this.cancel = this.process.after(PASS_EVERY_MS, () => {
      this.begin();
      this.arm();
    });
  }
}
