// Just enough of UnityEngine for a compiler to check FocusLoopBehaviour where there is no Unity.
namespace UnityEngine
{
    public class MonoBehaviour { }
}
