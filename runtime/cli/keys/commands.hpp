// `tayfa key new|list|remove`: edits the keys file safely. A running pod applies the change within
// a second; the commands do not contact it, so they also work while none runs.
//
// A key is shown once, when it is made; the file has only its SHA-256.
#pragma once

#include "runtime/base/secrets.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

struct key_exit {
  static constexpr int no_such_key = 1;
  static constexpr int bad_usage = 64;
  static constexpr int bad_file = 65; ///< the keys file is broken, or readable by others
  static constexpr int failed = 70;   ///< a system call failed, or the output could not be written
};

struct new_key {
  std::string file{};
  std::string name{};
  std::vector<std::string> scopes{"client"};
  std::string tenant{};
  std::vector<std::string> endpoints{};
  std::string worker{};
};

/// Writes the key alone on a line to `out`, and a report to `err`.
int run_key_new(const new_key&, secret_source&, std::ostream& out, std::ostream& err);
int run_key_list(const std::string& file, std::ostream& out, std::ostream& err);
int run_key_remove(const std::string& file, const std::string& name, std::ostream& err);

/// The exit code goes to `exit_code`, which outlives the parsing.
void add_key_command(CLI::App&, int& exit_code);

} // namespace tayfa
