// `tayfa worker-env`: the environment of a container built on RunPod's SDK, so that it pulls jobs
// from a pod. `tayfa workers`: the remote workers of a pod. docs/cli.md describes both.
#pragma once

namespace CLI {
class App;
}

namespace tayfa {

void add_workers_commands(CLI::App&, int& exit_code);

} // namespace tayfa
