// `tayfa pods`: the pods of a head, and their drains. docs/fleet.md describes them.
#pragma once

namespace CLI {
class App;
}

namespace tayfa {

void add_pods_commands(CLI::App&, int& exit_code);

} // namespace tayfa
