import { expect, it } from "vitest";
import { Lab } from "./lab.js";

const fast = [1, 3] as const;

it.each([false, true])(
  "a truncation that waits for the identity file is not done on the store of the next replica (slow store: %s)",
  (isSlow) => {
    const exits: string[] = [];
    const lab = new Lab({ onExit: (node, error) => exits.push(`${node.id}: ${error.message}`) });
    lab.form();
    const [n1, n2, n3] = [lab.node("n1"), lab.node("n2"), lab.node("n3")];
    const replaced = lab.tailOf("n1") + 1;
    lab.split(["n1"], ["n2", "n3"]);
    lab.begin("n1");
    lab.until("n1 holds a block that nobody else knows", () => lab.tailOf("n1") === replaced);
    // n2 leads, and its first block reaches n1 only.
    const undo = lab.drop(({ from, to, blocks }) => from === "n2" && to === "n3" && blocks.length > 0);
    n3.input({ kind: "campaigns_late", isLate: true });
    lab.until("n2 leads", () => lab.leader === n2);
    n3.input({ kind: "campaigns_late", isLate: false });
    n1.identityWriteMs = [400, 400];
    lab.network.mendAll();
    lab.until("n1 is to replace it", () => n1.view.tailHeight === replaced && n1.view.durableHeight === replaced - 1);
    lab.run(8);
    // The store is opened anew while the file is being written, and n2 dies.
    n1.disk.database.restartServer();
    n2.crash();
    undo();
    lab.run(100);
    n1.identityWriteMs = fast;
    if (isSlow) n1.store.behaviour.held = ({ kind }) => kind === "truncate";
    lab.run(500);
    n1.store.behaviour.held = () => false;
    n1.store.next();
    lab.until("n1 or n3 leads", () => lab.leader === n1 || lab.leader === n3);
    lab.writeTo("n1");
    n1.crash();
    n1.start();
    lab.timeouts(3);
    expect(exits).toEqual([]);
  },
);
