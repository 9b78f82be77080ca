// Everything for ranks that work on one batch together: communicators, the exchange that adds gradients in the tree of
// one rank, and the codes that make gradients shorter.
#pragma once

#include "distributed/code/bfloat16.hpp"
#include "distributed/code/float16.hpp"
#include "distributed/code/int8.hpp"
#include "distributed/code/one_bit.hpp"
#include "distributed/code/top_k.hpp"
#include "distributed/code/uncompressed.hpp"
#include "distributed/communicator.hpp"
#include "distributed/compressed.hpp"
#include "distributed/data_parallel.hpp"
#include "distributed/exchange.hpp"
#include "distributed/exchange_rounds.hpp"
#include "distributed/faulty.hpp"
#include "distributed/gradient_code.hpp"
#include "distributed/link.hpp"
#include "distributed/modelled.hpp"
#include "distributed/rank_group.hpp"
#include "distributed/ranked_executor.hpp"
#include "distributed/recorded.hpp"
#include "distributed/threads.hpp"
#include "distributed/wire.hpp"
