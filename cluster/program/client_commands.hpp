// The commands that talk to a running pod over its HTTP API: submit, status, cancel.
//
// Exit codes: 0 done (submit: the job COMPLETED); 1 the job or the request failed; 64 bad usage; 69
// nobody answers, or the pod takes nothing at the moment. Facts go to stdout, everything else to
// stderr.
#pragma once

namespace CLI {
class App;
}

namespace tayfa {

/// Adds the subcommands; the one that is given runs during parse and leaves its code in
/// `exit_code`.
void add_client_commands(CLI::App& app, int& exit_code);

} // namespace tayfa
