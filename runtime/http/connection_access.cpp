// Access control of a request: the host names by which it may address this server, the gate's
// decision when the request arrives, and its later decisions while the request is open.
#include "runtime/http/connection.hpp"

namespace tayfa {

namespace http = boost::beast::http;

namespace {

bool is_loopback(const boost::asio::ip::address& at) {
  return at.is_loopback() ||
         (at.is_v6() && at.to_v6().is_v4_mapped() &&
          boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, at.to_v6()).is_loopback());
}

std::optional<error> stranger(std::string text) {
  return error{errc::misdirected_request, std::move(text)};
}

} // namespace

/// Without keys only the loopback address protects the server, and every web page in this machine's
/// browsers can reach that. So the request must name this server by a name that no page can have,
/// and must not come from a page of another name or another site. The authority of an absolute
/// target stands in for Host (RFC 9112, 3.2.2); both must be accepted host names.
std::optional<error> http_connection::refuse_stranger(std::string_view authority) const {
  const api::gate* const gate = core_.options.api.access_gate;
  if (gate != nullptr && gate->needs_keys()) {
    return std::nullopt; // a web page has no key
  }
  error_code ec;
  const auto here = socket_.local_endpoint(ec).address();
  if (!core_.hosts.any_named() && !ec && !is_loopback(here)) {
    return std::nullopt; // http.allow_public: every client may do everything
  }
  const auto& head = parser_->get();
  const auto text = [&head](const auto& name) {
    const auto value = head[name];
    return std::string_view{value.data(), value.size()};
  };
  // Host is optional in HTTP/1.0; browsers always send it.
  if (head.count(http::field::host) > 0 && !core_.hosts.serve(text(http::field::host))) {
    return stranger("Host must be an address, localhost, or one of http.hosts");
  }
  if (!authority.empty() && !core_.hosts.serve(authority)) {
    return stranger("the target's host must be an address, localhost, or one of http.hosts");
  }
  const auto origins = head.count(http::field::origin);
  if (origins > 1 || (origins == 1 && !core_.hosts.serve_origin(text(http::field::origin)))) {
    return stranger("Origin must have an address, localhost, or one of http.hosts");
  }
  constexpr const char* site = "Sec-Fetch-Site";
  if (head.count(site) > 1 || boost::beast::iequals(head[site], "cross-site")) {
    return stranger("it was sent by a page of another site");
  }
  return std::nullopt;
}

std::optional<api::response> http_connection::ask_gate(const api::route_match& asked) {
  api::gate* const gate = core_.options.api.access_gate;
  if (gate == nullptr) {
    return std::nullopt;
  }
  error_code ec;
  std::string address = socket_.remote_endpoint(ec).address().to_string();
  const auto key = parser_->get()[http::field::authorization];
  auto who = gate->admit({.needs = asked.needs,
                          .route = asked.route,
                          .endpoint = asked.endpoint,
                          .authorization = {key.data(), key.size()},
                          .address = address,
                          .worker = asked.worker});
  if (!who) {
    return api::rejected(who.error());
  }
  pass_.emplace(*gate, asked, std::move(address), std::move(*who), core_.passes);
  core_.watch_access();
  return std::nullopt;
}

void http_connection::recheck_access() {
  const auto refused = pass_ ? pass_->recheck() : std::nullopt;
  if (!refused) {
    return;
  }
  switch (phase_) {
  case phase::body: respond(api::rejected(*refused), after::close); break;
  case phase::answering: {
    // The maker of the answer is notified as if the client had left, so that a job that waits for
    // this poll goes to another worker.
    const auto client = client_;
    respond(api::rejected(*refused), after::go_on);
    if (client) {
      client->left();
    }
    break;
  }
  case phase::streaming:
    if (!sending_ && stream_) {
      end_stream(true);
      break;
    }
    [[fallthrough]];
  case phase::writing: give_up(); break;
  case phase::idle:
  case phase::head:
  case phase::lingering:
  case phase::closed: break;
  }
}

void http_core::watch_access() {
  if (std::exchange(watches_access_, true)) {
    return;
  }
  access_timer_.expires_after(api::gate::recheck_pause);
  access_timer_.async_wait([this](boost::system::error_code cancelled) {
    watches_access_ = false;
    if (!cancelled) {
      look_at_access();
    }
  });
}

void http_core::look_at_access() {
  if (passes > 0) {
    watch_access();
  }
  const auto version = options.api.access_gate->version();
  if (std::exchange(access_version_, version) == version) {
    return;
  }
  const std::vector<std::shared_ptr<http_connection>> all{connections_.begin(), connections_.end()};
  for (const auto& client : all) {
    client->recheck_access();
  }
}

} // namespace tayfa
