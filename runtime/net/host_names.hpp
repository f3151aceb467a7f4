// The host names this server answers to while no key is needed. A web page whose name was pointed
// to this machine (DNS rebinding) has the same origin as the server; only its own name in Host
// distinguishes it from a local program.
//
// Accepted are addresses (which no resolver was asked for), "localhost", and the owner's names
// (http.hosts). Names are compared as written: anything that is not exactly the host of RFC 9110,
// 7.2 is refused. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// A valid entry of http.hosts: labels of letters, digits, - and _, the last one not a number.
bool is_name_of_host(std::string_view);

/// A well-formed value of the header Host (RFC 9110, 7.2): uri-host [":" port], or empty. Says
/// nothing about whether it is served.
bool is_host_field(std::string_view);

class host_names {
 public:
  /// The owner's names, in any case; each satisfies is_name_of_host().
  explicit host_names(const std::vector<std::string>& named = {});

  bool any_named() const { return !named_.empty(); }
  /// `host`: the value of the header Host, uri-host [":" port].
  bool serve(std::string_view host) const;
  /// `origin`: the value of the header Origin (RFC 6454, 7), scheme "://" host [":" port]. "null"
  /// is refused.
  bool serve_origin(std::string_view origin) const;

 private:
  bool known(std::string_view name) const;

  std::vector<std::string> named_; ///< lower case
};

} // namespace tayfa
