// Just enough of UnityEngine for a compiler to check FocusLoopBehaviour, and the README's lines, where there is no Unity.
namespace UnityEngine
{
    public class MonoBehaviour
    {
        public T GetComponent<T>() where T : new() { return new T(); }
    }

    public static class Debug
    {
        public static void LogError(object message) { System.Console.Error.WriteLine(message); }
    }

    public sealed class TooltipAttribute : System.Attribute
    {
        public TooltipAttribute(string tooltip) { }
    }
}
