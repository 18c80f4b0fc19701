-- What wrk sends, and what it says at the end: see load.py.
--
-- Arguments: method, file of the body or "-", prefix of the idempotency keys or "-", file of the paths or "-", and any
-- number of headers, name and value in turn. Paths are taken in turn, from the first again after the last.

local paths, place, prefix, count = {}, 0, nil, 0

function init(args)
   wrk.method = args[1]
   if args[2] ~= "-" then
      local file = assert(io.open(args[2], "rb"))
      wrk.body = file:read("*a")
      file:close()
      wrk.headers["Content-Type"] = "application/json"
   end
   if args[3] ~= "-" then prefix = args[3] end
   if args[4] ~= "-" then
      for line in io.lines(args[4]) do paths[#paths + 1] = line end
   end
   for i = 5, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
end

function request()
   local path = nil
   if #paths > 0 then
      path = paths[place + 1]
      place = (place + 1) % #paths
   end
   if prefix then
      count = count + 1
      wrk.headers["Idempotency-Key"] = prefix .. count
   end
   return wrk.format(nil, path)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %f, "bytes": %d, "failures": %d, "p50": %f, "p99": %f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
