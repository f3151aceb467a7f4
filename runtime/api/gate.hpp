// Access control: scopes and rates of clients, checked once per request, after its head and before
// any of its body is read. An interface: runtime/access implements it with keys and rates; without
// one everything is open.
#pragma once

#include "messages/error.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::api {

struct response;

/// Scope of a key. Every route names one (the table of routes); an operator's key has all.
enum class scope : std::uint8_t {
  open,     ///< no key: /ping, /openapi.json
  client,   ///< jobs: run, status, stream, cancel …
  worker,   ///< pull jobs and bring results
  operator_ ///< slots, events, metrics, the jobs of all tenants
};

/// The authenticated client.
struct principal {
  std::string name;   ///< of the key; empty = no key was asked for
  std::string tenant; ///< its jobs are this tenant's; empty = as the job says
  bool is_operator = true;
  std::vector<std::string> endpoints{};   ///< of the key; empty = all
  std::array<unsigned char, 32> digest{}; ///< of the key: names are used again, keys are not
};

/// The parts of a request that the gate checks.
struct access_request {
  scope needs = scope::open;
  std::string_view route;         ///< the row's path: "run", "status/{id}"
  std::string_view endpoint;      ///< resolved
  std::string_view authorization; ///< the header's value: "Bearer <key>" or the bare key
  std::string_view address;       ///< of the client, without its port
  std::string_view worker{};      ///< of a worker's route: the name in its path
};

class gate {
 public:
  /// A key that is taken away has no effect any more after a second: half of it, to look and to
  /// act.
  static constexpr std::chrono::milliseconds recheck_pause{250};

  virtual ~gate() = default;
  /// errc::unauthorized (no key, or an unknown one), forbidden (a key for other things),
  /// rate_limited with the time to wait. Called on the server's thread only; must not block.
  struct refusal {
    error why;
    std::uint32_t retry_after_s = 0; ///< 0 = says nothing about when
  };
  virtual tl::expected<principal, refusal> admit(const access_request&) = 0;
  /// The request that was admitted has been answered (limits of requests at the same time).
  virtual void done(const access_request&, const principal&) = 0;

  /// Grows whenever an admitted client might no longer be admitted. Looks at most every
  /// `recheck_pause`; to be asked that often while a request is open.
  virtual std::uint64_t version() { return 0; }
  /// Checks whether this request, which was admitted as this principal, would be admitted now, with
  /// no less to see. Returns nothing when it would. The request has no authorization any more.
  virtual std::optional<refusal> recheck(const access_request&, const principal&) {
    return std::nullopt;
  }
  /// True when a request needs a key.
  virtual bool needs_keys() const { return true; }
};

} // namespace tayfa::api
