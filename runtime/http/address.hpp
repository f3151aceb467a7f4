// Listen addresses as people write them: "127.0.0.1:8000", "[::1]:8000", "localhost:0".
#pragma once

#include "messages/error.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

namespace tayfa {

/// errc::bad_config names the text. Names other than localhost are not looked up: an address that
/// others decide on is none to listen on.
result<boost::asio::ip::tcp::endpoint> listen_endpoint(std::string_view text);
std::string to_string(const boost::asio::ip::tcp::endpoint&);

} // namespace tayfa
