// Listen addresses as people write them: "127.0.0.1:8000", "[::1]:8000", "localhost:0".
#pragma once

#include "messages/error.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

namespace tayfa {

/// errc::bad_config names the text. Names other than localhost are refused without a lookup: the
/// server must not listen on an address that a resolver chooses.
result<boost::asio::ip::tcp::endpoint> listen_endpoint(std::string_view text);
std::string to_string(const boost::asio::ip::tcp::endpoint&);

} // namespace tayfa
