-- The requests of wrk, and its final report: see load.py.
--
-- Arguments: method, file of the bodies, prefix of the idempotency keys or "-", file of the paths, and any number of
-- headers, name and value in turn. Files have one body or path on each line. They are used in turn, and from the first again
-- after the last.

local paths, bodies, prefix, count = {}, {}, nil, 0

local function lines_of(name, lines)
   for line in io.lines(name) do lines[#lines + 1] = line end
end

function init(args)
   wrk.method = args[1]
   lines_of(args[2], bodies)
   if #bodies > 0 then wrk.headers["Content-Type"] = "application/json" end
   if args[3] ~= "-" then prefix = args[3] end
   lines_of(args[4], paths)
   for i = 5, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
end

function request()
   local path, body = paths[count % #paths + 1], bodies[count % #bodies + 1]
   count = count + 1
   if prefix then wrk.headers["Idempotency-Key"] = prefix .. count end
   return wrk.format(nil, path, nil, body)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %f, "bytes": %d, "failures": %d, "p50": %f, "p99": %f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
