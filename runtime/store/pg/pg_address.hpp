// The address of a database: store.url, read and checked once. The password is kept apart, so that
// nothing that is shown or logged can hold it.
//
// Plain value; pure but for libpq's defaults (PGSSLMODE and its like are honoured).
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secret.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa::store {

class pg_address {
 public:
  static constexpr std::size_t length_max = 4096;

  /// postgresql://user:password@host:port/database?name=value, or postgres://. Several hosts, with
  /// commas between them, are tried in turn. errc::bad_config, in words that never quote the URL.
  static result<pg_address> parse(std::string_view url);

  /// A host of the address, as libpq's keywords and values; ends with two nulls. The pointers
  /// live as long as this address and `names`.
  struct target {
    std::vector<const char*> keywords{}, values{};
    std::vector<std::string> texts{};
  };
  std::size_t hosts() const { return hosts_.size(); }
  target host(std::size_t index) const;
  /// "db.example.org:5432": of this host, for messages.
  std::string name_of(std::size_t index) const;

  /// The address without its password: "postgresql://tayfa@db.example.org:5432/tayfa".
  const std::string& shown() const { return shown_; }
  /// The text with the password, wherever it stands in it, replaced by ***.
  std::string without_password(std::string text) const;

 private:
  struct endpoint {
    std::string host, hostaddr, port;
  };
  void add_defaults();

  std::vector<std::pair<std::string, std::string>> parameters_; ///< but host, port and password
  std::vector<endpoint> hosts_;
  secret_text password_;
  std::string shown_;
};

} // namespace tayfa::store
