// Which names this server answers to when nobody needs a key: a web page whose name was pointed to
// this machine (DNS rebinding) is of one origin with the server and sends its own name in Host,
// which is all that tells it from a program of this machine.
//
// Served are addresses (no resolver was asked), "localhost", and the names that the owner has given
// (http.hosts). Everything is compared as it is written: what is not exactly the host of RFC 9110,
// 7.2 is a stranger. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// A name as http.hosts may have it: labels of letters, digits, - and _, the last one no number.
bool is_name_of_host(std::string_view);

/// A value that the header Host may have at all (RFC 9110, 7.2): uri-host [":" port], or nothing.
/// Which of them is served is another question.
bool is_host_field(std::string_view);

class host_names {
 public:
  /// Names of the owner, in any case; each as is_name_of_host() has it.
  explicit host_names(const std::vector<std::string>& named = {});

  bool any_named() const { return !named_.empty(); }
  /// The value of the header Host: uri-host [":" port].
  bool serve(std::string_view host) const;
  /// The value of the header Origin (RFC 6454, 7): scheme "://" host [":" port]. "null" is none of
  /// ours.
  bool serve_origin(std::string_view origin) const;

 private:
  bool known(std::string_view name) const;

  std::vector<std::string> named_; ///< lower case
};

} // namespace tayfa
