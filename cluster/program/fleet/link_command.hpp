// `tayfa link token|list|trust|revoke`: edits a head's list of pods safely. A running head applies
// the change within a second; the commands do not contact it, so they also work while none runs.
//
// A join string is shown once, when it is made; the list has only the public half of its key.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/secrets.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

struct new_token {
  std::string data{};                   ///< data folder of the head
  std::vector<std::string> addresses{}; ///< "HOST:PORT" of the head, as pods reach it
  std::uint64_t minutes = 60;           ///< until it expires
};

/// Writes the join string alone on a line to `out`, and a report to `err`. These return the
/// process's exit code.
int run_link_token(const new_token&, const time_source&, secret_source&, std::ostream& out,
                   std::ostream& err);
int run_link_list(const std::string& data, const time_source&, std::ostream& out,
                  std::ostream& err);
int run_link_trust(const std::string& data, const std::string& pod, const std::string& name,
                   const time_source&, std::ostream& err);
int run_link_revoke(const std::string& data, const std::string& pod, const time_source&,
                    std::ostream& err);

/// The exit code goes to `exit_code`, which outlives the parsing.
void add_link_command(CLI::App&, int& exit_code);

} // namespace tayfa
