// The commands that talk to a running pod over its HTTP API: submit, status, jobs, cancel, retry,
// dead, purge, slots, drain, undrain, resize, events, top. docs/cli.md describes each.
//
// Exit codes: 0 done (submit: the job COMPLETED); 1 the job ended otherwise, or the pod refused; 64
// bad usage; 69 the pod cannot be reached; 75 the pod accepts nothing at the moment; 130
// interrupted. Results go to stdout, everything else to stderr.
#pragma once

namespace CLI {
class App;
}

namespace tayfa {

/// Adds the subcommands; the given one runs during parse and stores its code in `exit_code`.
void add_client_commands(CLI::App& app, int& exit_code);

} // namespace tayfa
