// `tayfa link token|list|trust|revoke`: which pods a head lets in. They call the API of a running
// head; with --data they change the list in the data folder of a head instead, also while none
// runs (a running one applies the change within a second).
//
// A join string is shown once, when it is made; the list has only the public half of its key.
#pragma once

#include "messages/error.hpp"
#include "messages/link.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/secrets.hpp"

#include <string>

namespace CLI {
class App;
}

namespace tayfa {

// ---- without the API: the list in the data folder of a head ------------------------------------

/// errc::not_found when no head has run with this folder yet.
result<join_text> make_join_text_in(const std::string& data, make_join_text, const time_source&,
                                    secret_source&);
result<trust_list> read_trust_in(const std::string& data, const time_source&);
result<trust_list> change_trust_in(const std::string& data, change_trust, const time_source&);

/// The exit code goes to `exit_code`, which outlives the parsing.
void add_link_command(CLI::App&, int& exit_code);

} // namespace tayfa
