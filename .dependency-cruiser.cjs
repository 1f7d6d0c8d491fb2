/** The rooms of node/ from the lowest up. Each imports from those below it only, for their types too. */
const ROOMS = [
  ["ground"],
  ["storage"],
  ["host"],
  ["config"],
  ["peers", "replica"],
  ["service"],
  ["integrity", "http"],
  ["node"],
];
const FILES = { ground: "(?:clock|problems)\\.ts$", config: "config\\.ts$", node: "node\\.ts$" };
const filesOf = (room) => FILES[room] ?? `${room}/`;
const roomRule = (room, below) => ({
  name: `${room}-imports-from-below`,
  severity: "error",
  from: { path: `^node/${filesOf(room)}`, pathNot: "\\.test\\.ts$" },
  to: { path: `^node/(?!${[room, ...below].map(filesOf).join("|")})` },
});

/** The direction of imports: shared <- cluster <- node, and shared <- dashboard; scripts and test may use all. */
module.exports = {
  forbidden: [
    // Types that name each other cost nothing at run time; modules that need each other to start do.
    {
      name: "no-circular",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "shared-uses-nothing-above",
      severity: "error",
      from: { path: "^shared/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(cluster|node|dashboard|scripts|test)/" },
    },
    {
      name: "cluster-uses-shared-only",
      severity: "error",
      from: { path: "^cluster/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(node|dashboard|scripts|test)/" },
    },
    {
      name: "node-uses-no-scripts",
      severity: "error",
      from: { path: "^node/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(dashboard|scripts|test)/" },
    },
    ...ROOMS.flatMap((rooms, i) => rooms.map((room) => roomRule(room, ROOMS.slice(0, i).flat()))),
    // Which database it is, only the store knows.
    {
      name: "mongo-behind-its-port",
      severity: "error",
      from: { path: "^node/(?!storage/)", pathNot: "\\.test\\.ts$" },
      to: { path: "^node/storage/mongo/" },
    },
    // What a browser checks it checks by the code of shared/; of everything else it sees the API only.
    {
      name: "dashboard-uses-shared-only",
      severity: "error",
      from: { path: "^dashboard/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(cluster|node|scripts|test)/" },
    },
    // A judge that shared code with what it judges could share its mistakes.
    {
      name: "judge-shares-no-code",
      severity: "error",
      from: { path: "^scripts/judge/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(shared|cluster|node|test|node_modules)/|^scripts/(?!judge/)" },
    },
    // What verifies a log shares no code with what writes one: it could share its mistakes.
    {
      name: "verify-shares-no-code",
      severity: "error",
      from: { path: "^scripts/verify/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(shared|cluster|node|test)/|^node_modules/(?!mongodb/)|^scripts/(?!verify/|lib/|judge/canonical)" },
    },
    // The fuzz judges by the documents; only the cluster is started by others.
    {
      name: "fuzz-knows-no-code",
      severity: "error",
      from: { path: "^scripts/fuzz/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(shared|cluster|node|test|node_modules)/" },
    },
    {
      name: "core-has-no-platform",
      severity: "error",
      from: { path: "^(shared|cluster)/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "cluster-has-no-libraries",
      severity: "error",
      from: { path: "^cluster/", pathNot: "\\.test\\.ts$" },
      to: { path: "node_modules" },
    },
    {
      name: "no-undeclared-dependency",
      severity: "error",
      from: { path: "^(shared|cluster|node|dashboard|scripts|test)/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "unknown", "undetermined"] },
    },
    {
      name: "no-orphans",
      severity: "error",
      from: { orphan: true, pathNot: ["\\.test\\.ts$", "\\.d\\.ts$", "\\.mjs$", "\\.css$", "^test/"] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".tsx", ".js", ".mjs", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
