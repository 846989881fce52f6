// What a game would do, without Unity: pump, print, send trials. mono probe.exe URL TOKEN STREAM TRIALS [survive], or: mono probe.exe scenarios
using System;
using System.Threading;
using Focusloop;

static class Probe
{
    // The service goes away, trials are answered meanwhile, and it comes back.
    static void Survive(FocusLoopClient loop, int trials, DateTime end)
    {
        Console.WriteLine("before");
        while (DateTime.UtcNow < end && loop.Connected) { loop.Pump(); Thread.Sleep(16); }
        for (int n = 0; n < trials; n++) loop.Trial(false, 500);
        while (DateTime.UtcNow < end && (loop.Connections < 2 || loop.Unacknowledged > 0)) { loop.Pump(); Thread.Sleep(16); }
        Console.WriteLine("after " + loop.Connections);
    }

    static int Main(string[] args)
    {
        if (args[0] == "scenarios") return Scenarios.Run();
        var loop = new FocusLoopClient(new NativeTransport(), args[0], args[1], args[2], "unity-probe/1");
        int left = int.Parse(args[3]), followed = 0, main = Thread.CurrentThread.ManagedThreadId;
        bool denied = false;
        loop.Subscribe(new[] { "focus", "difficulty", "neurofeedback" });
        loop.OnNeurofeedback += told =>
            Console.WriteLine((told.Simulated ? "SIMULATED " : "") + "neurofeedback " + told.State + " rewards " + told.Rewards);
        loop.OnFocus += focus =>
        {
            string told = focus.Value.HasValue ? "value" : "null " + focus.Reason;
            Console.WriteLine((focus.Simulated ? "SIMULATED " : "") + "focus " + told + (Thread.CurrentThread.ManagedThreadId == main ? "" : " OTHER THREAD"));
        };
        loop.OnDifficulty += difficulty =>
        {
            if (difficulty.AfterRun != loop.Run) return;
            followed++;
            Console.WriteLine("level " + difficulty.Level + " after " + difficulty.AfterTrial + ": " + difficulty.Reason);
        };
        loop.OnConnected += up => Console.WriteLine(up ? "connected" : "disconnected");
        loop.OnDenied += reason => { denied = true; Console.WriteLine("denied " + reason); };
        for (int n = 0; n < left; n++) loop.Trial(true, 500);
        var end = DateTime.UtcNow.AddSeconds(60);
        // A level does not wait for the acknowledgement of its trial: that comes when the trial is on disk.
        while (DateTime.UtcNow < end && !denied && (followed < left || loop.Unacknowledged > 0 || loop.NewestFocus() == null))
        {
            loop.Pump();
            Thread.Sleep(16);
        }
        if (args.Length > 4) Survive(loop, left, end);
        Console.WriteLine("unacknowledged " + loop.Unacknowledged + " missed " + loop.Missed);
        loop.Close();
        return followed >= left && loop.NewestFocus() != null ? 0 : 1;
    }
}
