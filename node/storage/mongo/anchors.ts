import { Binary, type BSON, type Collection, type WriteConcern } from "mongodb";
import type { HashHex } from "../../../shared/ids.js";
import { anchorPage, type StateMac } from "../state-mac.js";
import { decoded, RAW } from "./undecoded.js";

type AnchorDocument = BSON.Document & { readonly _id: number };

/** Pages of hashes of committed blocks, each under this node's HMAC. */
export class MongoAnchors {
  constructor(
    private readonly collection: Collection<AnchorDocument>,
    private readonly durable: WriteConcern,
    private readonly macOf: StateMac,
  ) {}

  async read(page: number, clusterId: HashHex): Promise<Uint8Array | null> {
    const found = await this.collection.findOne({ _id: page }, RAW);
    const document = found === null ? null : decoded<AnchorDocument>(found);
    if (document === null) return null;
    const { hashes, mac } = document;
    if (document.clusterId !== clusterId || !(hashes instanceof Binary)) return null;
    const bytes = new Uint8Array(hashes.value());
    return mac === this.macOf(anchorPage(clusterId, page, bytes)) ? bytes : null;
  }

  async write(clusterId: HashHex, pages: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const writes = [...pages].map(([page, hashes]) => {
      const replacement = {
        clusterId,
        hashes: new Binary(hashes),
        mac: this.macOf(anchorPage(clusterId, page, hashes)),
      };
      return { replaceOne: { filter: { _id: page }, replacement, upsert: true } };
    });
    await this.collection.bulkWrite(writes, { ordered: false, writeConcern: this.durable });
  }

  async clear(): Promise<void> {
    await this.collection.deleteMany({}, { writeConcern: this.durable });
  }
}
