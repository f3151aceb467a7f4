#include "runtime/http/address.hpp"

#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace tayfa {

namespace asio = boost::asio;

result<asio::ip::tcp::endpoint> listen_endpoint(std::string_view text) {
  const auto wrong = [text] {
    return fail(errc::bad_config,
                "\"" + std::string{text} + "\" is no listen address such as 127.0.0.1:8000");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return wrong();
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const char* const last = port_text.data() + port_text.size();
  const auto [rest, ec] = std::from_chars(port_text.data(), last, port);
  if (ec != std::errc{} || rest != last) {
    return wrong();
  }
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  boost::system::error_code parse_error;
  const auto address =
      asio::ip::make_address(host == "localhost" ? "127.0.0.1" : std::string{host}, parse_error);
  if (parse_error || address.is_v6() != bracketed) {
    return wrong();
  }
  return asio::ip::tcp::endpoint{address, port};
}

std::string to_string(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const std::string port = ":" + std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]" + port : host + port;
}

} // namespace tayfa
